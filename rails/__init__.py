"""The bundled rails: messaging services of their own, which know nothing of the federation bus."""
