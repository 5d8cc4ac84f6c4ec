"""The API, and the page that shows it."""

from counter.version import VERSION

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "counter.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tally",
    "DESCRIPTION": "Counts unique ids per minute, exactly. Errors of `/api/v1/` are problems after RFC 9457.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "/", "description": "this Tally"}],
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "CONTACT": {"name": "Tally", "url": "https://github.com/example/tally"},
    "TAGS": [
        {"name": "accepting", "description": "Calls and batches of them"},
        {"name": "reading", "description": "Minutes that wait, and minutes that are published"},
        {"name": "operating", "description": "For load balancers, orchestrators and Prometheus"},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "counter.api.schema.hooks.complete",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    # The page's own files, so that it works offline.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": False
    },  # a link would be within the button that opens an operation
}
