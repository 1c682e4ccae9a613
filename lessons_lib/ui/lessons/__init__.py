"""What one lesson alone has on its page: one file a lesson, named as in lessons_lib/lessons/."""
