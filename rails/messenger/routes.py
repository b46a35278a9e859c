"""Platform API edges beyond messages: the page's profile settings and its conversations."""

from rails.kit.edges import conversations_get, profile_delete, profile_get, profile_post
from rails.kit.rail import Route

ROUTES = (
    Route(method="GET", edge="messenger_profile", handle=profile_get),
    Route(method="POST", edge="messenger_profile", handle=profile_post),
    Route(method="DELETE", edge="messenger_profile", handle=profile_delete),
    Route(method="GET", edge="conversations", handle=conversations_get),
)
