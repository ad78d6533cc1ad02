"""Fine-tuning with RAG: failures become hints, hints make a teacher, the teacher's wins train students."""

__version__ = "0.1.0"
