"""The workshop: what it sells, and who asks for it."""
