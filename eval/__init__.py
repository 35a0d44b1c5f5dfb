"""The exam: benchmarks, answer reading, statistics, report."""
