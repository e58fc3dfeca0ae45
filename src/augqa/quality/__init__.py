"""How generated text compares with real text: measures of one set, and sets side by side."""
