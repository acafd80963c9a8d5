#!/bin/sh
# Provide Chromium and nginx for the browser tests, and the fonts they and the drawings need: Debian's packages where apt is at hand, else
# Playwright's own Chromium, without nginx.
set -eu
python=$1
packages="chromium nginx fonts-noto-cjk fonts-noto-color-emoji"
if command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  dpkg -s $packages >/dev/null 2>&1 && exit 0
  had_nginx=$(dpkg -s nginx >/dev/null 2>&1 && echo yes || echo no)
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
  # Tests start an nginx of their own; the one that came with the package is not to listen on port 80 of this machine.
  if [ "$had_nginx" = no ] && command -v systemctl >/dev/null; then
    $sudo systemctl disable --now nginx >/dev/null 2>&1 || true
  fi
else
  "$python" -m playwright install chromium
fi
