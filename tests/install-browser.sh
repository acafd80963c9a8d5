#!/bin/sh
# Provide Chromium for the browser tests, and the fonts they and the drawings need: Debian's packages where apt is at hand, else
# Playwright's own Chromium.
set -eu
python=$1
packages="chromium fonts-noto-cjk fonts-noto-color-emoji"
if command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  dpkg -s $packages >/dev/null 2>&1 && exit 0
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
  "$python" -m playwright install chromium
fi
