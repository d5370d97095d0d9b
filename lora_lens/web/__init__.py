"""The report as a page on this machine: an adapter in, its report out, nothing kept."""
