# The images. `make images` builds them all; `docker buildx bake -f images/docker-bake.hcl cropper`
# builds one.

# An image that was never pushed is at no registry: under this name nobody's is pulled in its place.
variable "CORALLINE_REGISTRY" {
  default = "localhost/coralline"
}

variable "CORALLINE_TAG" {
  default = "latest"
}

# By digest in a release: python:3.11-slim-bookworm@sha256:…
variable "BASE" {
  default = "python:3.11-slim-bookworm"
}

# 1: install Coral's closed compiler, for x86-64 alone, from Coral's Debian repository.
variable "EDGETPU_COMPILER" {
  default = "0"
}

group "default" {
  targets = ["image"]
}

target "image" {
  name = step
  matrix = {
    step = [
      "crawler", "curator", "cropper", "trainer", "converter", "edgetpu-compiler", "publisher",
      "reviewer", "demo"
    ]
  }
  dockerfile = "images/Dockerfile"
  tags       = ["${CORALLINE_REGISTRY}/${step}:${CORALLINE_TAG}"]
  args = {
    BASE      = BASE
    STEP      = step
    VERSION   = "0.1.0"
    SOURCE    = step == "demo" ? "examples/demo" : "components/${replace(step, "-", "_")}"
    LIBRARIES = lookup({
      trainer          = "tensorflow"
      converter        = "tensorflow"
      edgetpu-compiler = EDGETPU_COMPILER == "1" ? "edgetpu" : "runtime"
    }, step, "runtime")
    # No image says when it was built, so that the same content has the same digest.
    SOURCE_DATE_EPOCH = "315532800"
  }
}
