"""What mapping, validation and evaluation share: windows, blending, batches, devices, streaming."""
