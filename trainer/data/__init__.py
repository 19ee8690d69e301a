"""From files on a disk to batches on a device."""
