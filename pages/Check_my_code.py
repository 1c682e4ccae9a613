from lessons_lib.ui import page
from lessons_lib.ui.playground import meanwhile

with page.lesson_page("check") as lesson:
    import io

    import numpy as np
    import streamlit as st

    from lessons_lib import decoders

    page.idea(
        "Your own `forward`, `one_step`, `cfg`, `inpaint` and `iterative_denoise`, checked without showing your code to anyone: run them "
        "on the numbers handed out here, save what they return, and upload only that. You learn which function is the first to differ "
        "and, for the classic mistakes, why."
    )
    with meanwhile(lesson.slug):
        from lessons_lib.lessons import check
    one, two = st.columns(2, gap="large")
    with one:
        page.section("1. Take the inputs and the script")

        def handed_out() -> bytes:
            buffer = io.BytesIO()
            np.savez(buffer, **check.inputs())
            return buffer.getvalue()

        with st.container(horizontal=True):
            st.download_button(
                "Inputs (check-inputs.npz)", handed_out, "check-inputs.npz", on_click="ignore", icon=":material/download:"
            )
            st.download_button(
                "Script (check.py)", check.SCRIPT, "check.py", "text/x-python", on_click="ignore", icon=":material/download:"
            )
        with st.expander("What the script does"):
            st.code(check.SCRIPT, language="python")
    with two:
        page.section("2. Upload what your functions made")
        file = st.file_uploader(
            "my-arrays.npz",
            key="check_arrays",
            help="only arrays are read; no code in the file is ever run",
            max_upload_size=decoders.ARRAYS_MB,
        )
    if file is not None:
        verdicts = check.check(file.getvalue())
        page.section("3. The verdict")
        first = check.first_wrong(verdicts)
        if first is None:
            st.success("All five agree. Your sampler is right.", icon=":material/check:")
        else:
            st.warning(f"Mend this one first: **{first.function}**. {first.said}", icon=":material/arrow_forward:")
        for v in verdicts:
            page.save.note("text", f"{'agrees' if v.right else 'differs'}: {v.said}")
            st.markdown(f"{':material/check_circle:' if v.right else ':material/cancel:'} {v.said}")
    else:
        st.caption("Nothing uploaded yet. Missing functions are no error: upload as soon as you have one.")
    page.section("The right formulas")
    page.equation(
        r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon\qquad\hat x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\,\hat\epsilon}{\sqrt{\bar\alpha_t}}"
    )
    page.equation(
        r"x_{t'}=\frac{\sqrt{\bar\alpha_{t'}}\,\beta}{1-\bar\alpha_t}\hat x_0+\frac{\sqrt{\alpha}\,(1-\bar\alpha_{t'})}{1-\bar\alpha_t}x_t+v_\sigma"
    )
    page.show_source(check.check, check.answers)
