#!/usr/bin/env python3
"""Nothing a user can type is without its manual page: keys of carbonfilesd.conf and of pair files, methods of the
interfaces, commands of cfctl."""
import glob
import os
import re
import subprocess

import lint

CONF_PAGE = 'doc/carbonfilesd.conf.5'
CFCTL_PAGE = 'doc/cfctl.1'


def pages(root):
    return sorted(p for p in glob.glob(os.path.join(root, 'doc', '*.[1-8]')))


def terms(text):
    """What a page sets in bold, or as the tag of a paragraph: where it explains a thing, not where it uses the
    word."""
    text = re.sub(r'\\-', '-', text).replace('\\&', '').replace('\\(dq', '"')
    found = re.findall(r'\\fB(.*?)\\f[RPI]', text)
    for line in re.findall(r'^\.(?:B|BR|BI|IP|SS|SH|It|Cm|Ic|Nm)\s+(.*)$', text, re.M):
        found.append(re.sub(r'\\f.|"', '', line))
    return '\n'.join(found)


def has(text, phrase):
    return re.search(r'(?<![\w.-])' + re.escape(phrase) + r'(?![\w-])', text) is not None


def settings_keys(root):
    text = lint.read(root, 'daemon/store/settings.c')
    table = re.search(r'settings_keys\[\] = \{(.*?)^\};', text, re.S | re.M)
    return re.findall(r'^\t(?:[A-Z_]+\(|\{")(\w+)', table.group(1), re.M) if table else []


def methods(root):
    for path in sorted(glob.glob(os.path.join(root, 'conf', '*.varlink'))):
        text = lint.read(root, os.path.relpath(path, root))
        interface = re.search(r'^interface ([\w.]+)', text, re.M).group(1)
        for method in re.findall(r'^method (\w+)', text, re.M):
            yield interface, method


def commands(help_text):
    """"  sync add NAME DIR   summary" -> "sync add"."""
    for line in help_text.splitlines():
        match = re.match(r'  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?=$| \[?[A-Z<]| \[|  )', line)
        if match:
            yield match.group(1)


def check_pages(root, help_text):
    complaints = []
    everything = {path: terms(lint.read(root, os.path.relpath(path, root))) for path in pages(root)}

    def page(name):
        if os.path.join(root, name) not in everything:
            complaints.append(f'{name} is missing')
            return None
        return everything[os.path.join(root, name)]

    found = {'keys': settings_keys(root), 'methods': list(methods(root)), 'commands': list(commands(help_text))}
    complaints += [f'no {what} found: this lint reads the wrong place' for what, some in found.items() if not some]
    conf, cfctl = page(CONF_PAGE), page(CFCTL_PAGE)
    if conf is not None:
        complaints += [f'{CONF_PAGE}: key {key} is not there' for key in found['keys'] if not has(conf, key)]
    if cfctl is not None:
        complaints += [f'{CFCTL_PAGE}: command {c} is not there' for c in found['commands']
                       if not has(cfctl, c) and not has(cfctl, 'cfctl ' + c)]
    for interface, method in found['methods']:
        if not any(has(text, method) or has(text, f'{interface}.{method}') for text in everything.values()):
            complaints.append(f'no page: method {interface}.{method} is not there')
    return complaints


SAMPLE_HELP = '''Usage: cfctl [OPTION]... COMMAND

Commands
  login [URL]                   log in
  sync add NAME DIR             add a pair; a command
  doctor                        look for trouble
'''


def check_sample(root):
    return check_pages(root, SAMPLE_HELP)


def check_real(root):
    done = subprocess.run([os.path.join(lint.BUILD, 'cfctl', 'cfctl'), '--help'], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        return [f'cfctl --help ended with {done.returncode}: {done.stderr}']
    return check_pages(root, done.stdout)


CONF = '.TP\n.BR settle_ms " (50)"\nText.\n.TP\n\\fBlisten\\fR\nText.\n'
CTL = '.TP\n\\fBlogin\\fR [\\fIURL\\fR]\n.TP\n.B cfctl sync add\n.TP\n.B doctor\n'
IPC = '.SS org.carbonfiles.x\n.TP\n.BI Add( name )\n'
GOOD = {
    'daemon/store/settings.c': 'const struct settings_key settings_keys[] = {\n\tINT(settle_ms, 50,\n\t    "doc"),\n'
                               '\t{"listen", SETTINGS_PATH},\n};\n',
    'conf/org.carbonfiles.x.varlink': 'interface org.carbonfiles.x\nmethod Add(name: string) -> ()\n',
    CONF_PAGE: CONF,
    CFCTL_PAGE: CTL,
    'doc/org.carbonfiles.7': IPC,
}
BAD = {
    'a key without an entry': {CONF_PAGE: CONF.replace('settle_ms', 'settle_open_ms')},
    'a key that is only mentioned': {CONF_PAGE: CONF.replace('\\fBlisten\\fR', 'listen')},
    'a command without an entry': {CFCTL_PAGE: CTL.replace('sync add', 'sync adds')},
    'a method without an entry': {'doc/org.carbonfiles.7': IPC.replace('Add', 'Remove')},
    'a table that moved': {'daemon/store/settings.c': 'nothing here\n'},
    'a page that is missing': {CFCTL_PAGE: None},
}

if __name__ == '__main__':
    lint.run('documented', check_sample, GOOD, BAD, check_real)
