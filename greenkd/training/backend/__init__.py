"""What a training asks of the machine: device, threads, memory layout, allocator, determinism."""
