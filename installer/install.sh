#!/bin/sh
# Installs sopilot from this folder, without a network, into a folder of its own version below a prefix:
#
#   PREFIX/versions/0.1.0/   a virtual environment        PREFIX/current -> versions/0.1.0
#   PREFIX/bin/sopilot    -> ../current/bin/sopilot
#
# Homes (recordings, scores, labels) are elsewhere and are never touched. Earlier versions stay, so that
# `install.sh --prefix PREFIX --activate VERSION` goes back to one.
set -eu
umask 022 # accounts of services run what is installed, whatever root's own files are like

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
prefix=/opt/sopilot
python=python3
signers=
extras=
activate=
at_once=yes

usage() {
  cat <<END
Usage: install.sh [--prefix DIR] [--python PROGRAM] [--extras NAMES] [--signers FILE] [--no-activate]
       install.sh [--prefix DIR] --activate VERSION

  --prefix DIR       where versions are kept (default: $prefix)
  --python PROGRAM   the Python that runs it (default: $python)
  --extras NAMES     more than one machine, a larger embedding: scale, vjepa2, or both with a comma
  --signers FILE     check the signature of this folder against these signers, as ssh-keygen keeps them
  --no-activate      install it beside the version that runs, which goes on running
  --activate VERSION make a version that is installed the one that runs; with it an update is taken back
END
}

stop() {
  echo "install.sh: $1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --no-activate) at_once=; shift ;;
    --prefix | --python | --extras | --signers | --activate)
      [ $# -gt 1 ] || stop "$1 needs a value; see --help."
      case $1 in
        --prefix) prefix=$2 ;;
        --python) python=$2 ;;
        --extras) extras=$2 ;;
        --signers) signers=$2 ;;
        --activate) activate=$2 ;;
      esac
      shift 2 ;;
    *) usage >&2; stop "unknown argument $1." ;;
  esac
done

alone() { # two at once would remove each other's half
  exec 9>"$prefix/.lock"
  flock -n 9 || {
    echo "Waiting for another install.sh that is at work below $prefix"
    flock 9
  }
}

switch_to() {
  mkdir -p "$prefix/bin"
  ln -sfn "versions/$1" "$prefix/current.new"
  mv -T "$prefix/current.new" "$prefix/current" # at once: there is always one that runs
  ln -sfn ../current/bin/sopilot "$prefix/bin/sopilot"
  echo "sopilot $1 runs now: $prefix/bin/sopilot"
}

if [ -n "$activate" ]; then
  [ -f "$prefix/versions/$activate/.complete" ] || stop "$prefix/versions/$activate: expected an installed version, \
found none. Installed are: $(cd "$prefix/versions" 2>/dev/null && ls | tr '\n' ' ')"
  alone
  switch_to "$activate"
  exit 0
fi

version=$(cat "$here/VERSION")
wanted=$(cat "$here/PYTHON")
target=$prefix/versions/$version

# -I: no module of the folder that this is called in
found=$("$python" -I -c 'import platform, sys; print("%d.%d %s" % (*sys.version_info[:2], platform.machine()))' 2>/dev/null) ||
  stop "$python: expected Python $wanted, found no program that runs. Install it, or name it with --python."
[ "$found" = "$wanted" ] || stop "$python: expected Python $wanted, for which the packages here are made, found \
$found. Name another one with --python, or have the folder made with yours."
"$python" -I -c 'import ensurepip, venv' 2>/dev/null ||
  stop "$python: its venv module is missing; on Debian and Ubuntu install the package python3-venv."

if [ -n "$signers" ]; then
  [ -f "$here/SHA256SUMS.sig" ] || stop "SHA256SUMS.sig: expected the signature of this folder, found none. Ask for a \
signed one."
  who=$(ssh-keygen -Y find-principals -s "$here/SHA256SUMS.sig" -f "$signers") ||
    stop "SHA256SUMS.sig: signed by nobody that $signers names. Do not install this folder; ask who made it."
  ssh-keygen -Y verify -f "$signers" -I "$who" -n sopilot-bundle -s "$here/SHA256SUMS.sig" <"$here/SHA256SUMS" >/dev/null ||
    stop "SHA256SUMS: the signature does not fit. Do not install this folder; copy it again."
  echo "Signed by $who"
fi
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) >&2 ||
  stop "these files are not what was made (see above). Copy the folder again."
# pip takes the newest of a name, whoever made it
strange=$(cd "$here" && { find wheels ! -type d; cut -c67- SHA256SUMS | grep '^wheels/'; } | sort | uniq -u)
[ -z "$strange" ] || stop "$strange: expected only files that SHA256SUMS names, found another one. Copy the folder \
again, into one that is not there yet."

mkdir -p "$prefix/versions" 2>/dev/null && [ -w "$prefix/versions" ] && [ -w "$prefix" ] ||
  stop "$prefix: expected a folder to write to. Run this as root, or choose another with --prefix."
alone
if [ -f "$target/.complete" ]; then
  echo "sopilot $version is installed already: $target"
else
  rm -rf "$target" # what an interrupted installation left
  "$python" -I -m venv "$target"
  "$target/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-index --find-links "$here/wheels" \
    "sopilot-assets${extras:+[$extras]}==$version"
  "$target/bin/sopilot" --version >/dev/null
  touch "$target/.complete"
fi
if [ -n "$at_once" ]; then
  switch_to "$version"
else
  echo "sopilot $version is installed: $target/bin/sopilot. Make it the one that runs: install.sh --activate $version"
fi
