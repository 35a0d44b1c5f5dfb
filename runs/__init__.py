"""Run folders: recipe, journals, stages, resume, concurrency."""
