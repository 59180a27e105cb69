#!/usr/bin/env python3
"""Functions that are not used here: they overflow, swallow errors, call a shell or race; and words that say
that something is not finished."""
import re

import lint

BANNED = {
    'strcpy': 'snprintf or memcpy', 'strcat': 'snprintf or buf_append', 'sprintf': 'snprintf', 'vsprintf': 'vsnprintf',
    'stpcpy': 'snprintf or memcpy', 'gets': 'fgets', 'strtok': 'strcspn', 'atoi': 'strtol', 'atol': 'strtol',
    'atoll': 'strtoll', 'atof': 'strtod', 'system': 'posix_spawn', 'popen': 'posix_spawn', 'tmpnam': 'mkstemp',
    'tempnam': 'mkstemp', 'mktemp': 'mkstemp', 'alloca': 'malloc', 'strdupa': 'strdup', 'strndupa': 'strndup',
}
CALL = re.compile(r'(?<![\w.>])(' + '|'.join(BANNED) + r')\s*\(')
UNFINISHED = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')


def check(root):
    complaints = []
    for path in lint.sources(root):
        text = lint.read(root, path)
        for match in CALL.finditer(lint.code_only(text)):
            name = match.group(1)
            complaints.append(f'{path}:{lint.line_of(text, match.start())}: {name}: use {BANNED[name]}')
        for match in UNFINISHED.finditer(lint.comments_only(text)):
            complaints.append(f'{path}:{lint.line_of(text, match.start())}: {match.group(1)}')
    return complaints


GOOD = {'cfctl/x.c': '''/* system( is what strcpy(a, b) would be */
static const char text[] = "sprintf(\\"%s\\")"; // gets()
int f(struct s *s, const char *TODO)
{
	s->system(1);
	file_system(2);
	return s.popen(TODO) + '"' + strtok_r(x);
}
'''}
BAD = {name: {'daemon/base/x.c': 'int f(void)\n{\n\treturn ' + name + ' (a);\n}\n'} for name in sorted(BANNED)}
BAD['a call behind a quote in a character'] = {'cfctl/x.c': "char c = '\"'; int i = atoi(s); char d = '\"';\n"}
BAD['something unfinished'] = {'cfctl/x.c': '/* TODO: later */\n'}

if __name__ == '__main__':
    lint.run('banned functions', check, GOOD, BAD)
