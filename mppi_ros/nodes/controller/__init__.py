"""The controller node and its parts."""
