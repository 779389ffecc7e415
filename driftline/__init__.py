"""The application's shell: the command, its settings, its log and its errors."""
