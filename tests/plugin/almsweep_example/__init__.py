"""A plug-in package; its configuration types stand in `config`, what they name in `torch_part`."""
