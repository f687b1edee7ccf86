#!/bin/sh
# run.sh COMMAND...: runs it with OMS_TEST_POSTGRES=testcontainers, beside the Docker engine that answers here. If none
# does, a checkout with the shared tools beside it starts one of its own, and stops it in the end.
set -eu
tool=../shared/tools/docker-postgres.sh

if ! "$1" -c 'import docker; docker.from_env().ping()' 2>/dev/null; then
  if [ ! -x "$tool" ]; then
    echo "no Docker engine answers: start one, or name it with DOCKER_HOST." \
      "OMS_TEST_POSTGRES_IMAGE says which image to run (postgres:18)" >&2
    exit 1
  fi
  engines=" $(pidof dockerd || true) "
  exports=$("$tool")
  eval "$exports"
  case "$engines" in
    *" $OMS_DOCKERD_PID "*) ;; # it ran before us
    *) trap 'kill "$OMS_DOCKERD_PID"' EXIT && trap 'exit 130' INT TERM ;;
  esac
fi

OMS_TEST_POSTGRES=testcontainers "$@"
