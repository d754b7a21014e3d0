"""The words of a visual style, before what a picture or clip shows."""


def with_style(prompt: str, prefix: str) -> str:
    """The prompt with a style's words before it; without any it stays as it is."""
    if not prefix:
        return prompt
    words = prefix.rstrip(",;: ")
    return f"{words} {prompt}" if words.endswith((".", "!", "?")) else f"{words}, {prompt}"
