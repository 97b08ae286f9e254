"""Node of the live page: subscriptions to a controller, its parameters, and the web server."""
