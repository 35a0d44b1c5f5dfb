"""Tuning the student: training rows, the student from scratch, the TRL stage."""
