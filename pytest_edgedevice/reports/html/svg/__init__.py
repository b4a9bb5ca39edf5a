"""Pictures as inline SVG: plain functions from numbers to text, as small as a page of thousands of them needs.

Colours and fonts are the page's style sheet's, by class, so that a picture is right in light, dark and print.
Every text is escaped here.
"""
