"""Commands that print the speed and memory figures of benchmarks/README.md; none of them is a test."""
