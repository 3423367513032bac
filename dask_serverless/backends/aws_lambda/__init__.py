"""Containers of AWS Lambda: functions made from the image, one for each memory size."""
