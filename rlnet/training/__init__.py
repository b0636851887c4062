"""What the stages are trained with: the one loop, views, objectives, schedules, run folders, and ranks."""
