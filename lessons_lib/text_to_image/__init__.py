"""Part A: text-to-image models in diffusers' IFPipeline format, the small one that ships and the real DeepFloyd IF."""
