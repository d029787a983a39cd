"""What runs the real thing for a test and reads its state: client, panel, evaluation, build, form, scene."""
