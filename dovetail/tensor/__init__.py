"""The desk: what the user holds (Tensor), and how calls become traces (recorder, replay cursor)."""
