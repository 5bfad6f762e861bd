"""What tracking needs beyond smalldet's own dependencies."""

NEEDED = ("av", "cv2", "supervision", "trackers")
EXTRA = "video"
