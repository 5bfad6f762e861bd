"""A model as a service: HTTP, jobs for large scenes, and a page to look at what was found."""
