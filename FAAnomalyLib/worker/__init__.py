"""The background process behind the Slicer panel; its protocol is in docs/worker-protocol.md."""
