"""Failures become hints, hints make a teacher, and the teacher's wins train students."""
