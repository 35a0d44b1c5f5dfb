"""EmoBench as a task of other tools."""
