#!/usr/bin/env python3
"""What was released stays: against the interface texts of the last release (tests/lint/released/), those of conf/ may
only have more: methods, errors, types, and fields that may be absent. A client that was built for the release must be
able to talk to every later daemon, and the other way round.

A release replaces the texts in tests/lint/released/ with its own."""
import glob
import os
import re

import lint

RELEASED = 'tests/lint/released'
TOKEN = re.compile(r'\s+|#[^\n]*|([A-Za-z][A-Za-z0-9_.]*|\[string\]|\[\]|->|[?():,])')


class Text:
    """An interface text as {member: structure}; a structure is a list of (field, type as text), or of words."""
    def __init__(self, text):
        self.tokens = [m.group(1) for m in TOKEN.finditer(text) if m.group(1)]
        self.members, self.more = {}, {}
        for comment, method in re.findall(r'((?:^#[^\n]*\n)*)^method (\w+)', text, re.M):
            flag = re.search(r"\[(Supports|Requires) 'more' flag\]", comment)
            self.more[method] = flag.group(1) if flag else ''
        assert self.take() == 'interface'
        self.name = self.take()
        while self.tokens:
            kind, name = self.take(), self.take()
            self.members[f'{kind} {name}'] = self.structure()
            if kind == 'method':
                assert self.take() == '->'
                self.members[f'method {name} reply'] = self.structure()

    def take(self):
        return self.tokens.pop(0)

    def structure(self):
        assert self.take() == '('
        fields = []
        while self.tokens[0] != ')':
            name = self.take()
            if self.tokens[0] == ':':
                self.take()
                fields.append((name, self.a_type()))
            else:
                fields.append((name, None))
            if self.tokens[0] == ',':
                self.take()
        self.take()
        return fields

    def a_type(self):
        if self.tokens[0] in ('?', '[]', '[string]'):
            return self.take() + self.a_type()
        if self.tokens[0] == '(':
            return '(' + ', '.join(n if t is None else f'{n}: {t}' for n, t in self.structure()) + ')'
        return self.take()


def only_more(old, new, where, is_input):
    """Complaints about fields of a structure that were there and are not as they were, or that are new and needed."""
    before, now = dict(old), dict(new)
    for name, kind in before.items():
        if name not in now:
            yield f'{where}: {name} is gone'
        elif now[name] != kind:
            if is_input and kind is not None and now[name] == '?' + kind:
                continue    # what was needed may be left out now
            yield f'{where}: {name} was {kind} and is {now[name]}'
    for name, kind in now.items():
        if name not in before and (kind is None or not kind.startswith('?')):
            yield f'{where}: the new {name} must be one that may be absent (?)'


def used_in_replies(text):
    """Types that a daemon sends: what it must say, it must go on saying."""
    used, queue = set(), [f for m, f in text.members.items() if m.endswith(' reply') or m.startswith('error ')]
    while queue:
        for _, kind in queue.pop():
            for name in re.findall(r'\b[A-Z]\w*', kind or ''):
                if name not in used and f'type {name}' in text.members:
                    used.add(name)
                    queue.append(text.members[f'type {name}'])
    return used


def compare(old, new):
    sent = used_in_replies(new)
    for member, structure in old.members.items():
        kind, name = member.split()[:2]
        if member not in new.members:
            if not member.endswith(' reply'):
                yield f'{member} is gone'
            continue
        is_input = (kind == 'method' and not member.endswith(' reply')) or (kind == 'type' and name not in sent)
        yield from only_more(structure, new.members[member], member, is_input)
    for method, flag in old.more.items():
        if new.more.get(method, flag) != flag and (flag, new.more[method]) != ('', 'Supports'):
            yield f"method {method}: its 'more' flag was {flag or 'not known'} and is {new.more[method] or 'not known'}"


def check(root):
    complaints = []
    released = sorted(glob.glob(os.path.join(root, RELEASED, '*.varlink')))
    if not released:
        return [f'{RELEASED} has no interface texts: this lint reads the wrong place']
    for path in released:
        name = os.path.basename(path)
        now = os.path.join(root, 'conf', name)
        if not os.path.exists(now):
            complaints.append(f'conf/{name} is gone')
            continue
        old, new = (Text(lint.read(root, os.path.relpath(p, root))) for p in (path, now))
        if old.name != new.name:
            complaints.append(f'conf/{name} is {new.name} and was {old.name}')
        complaints += [f'conf/{name}: {complaint}' for complaint in compare(old, new)]
    return complaints


OLD = '''interface org.example.a
type Inner (number: int, kind: (one, two), note: ?string)
type Order (page: int)
# [Supports 'more' flag] pages
method Get(name: string, order: ?Order) -> (inner: Inner)
method Put(name: string) -> ()
error Gone (name: string)
'''
NEW = '''interface org.example.a
# other words
type Inner (number: int, kind: (one, two), note: ?string, extra: ?int)
type Order (page: ?int, size: ?int)
type Fresh (a: int)
# [Supports 'more' flag] pages
method Get(name: ?string, order: ?Order, fresh: ?Fresh) -> (inner: Inner, fresh: ?Fresh)
# [Supports 'more' flag] new
method Put(name: string) -> ()
method Drop(name: string) -> (count: int)
error Gone (name: string, why: ?string)
error Busy ()
'''
A, B = RELEASED + '/org.example.a.varlink', 'conf/org.example.a.varlink'
GOOD = {A: OLD, B: NEW}
BAD = {
    'a method that is gone': {B: NEW.replace('method Put(name: string) -> ()\n', '')},
    'a type that is gone': {B: NEW.replace('type Order', 'type Ordre')},
    'an error that is gone': {B: NEW.replace('error Gone', 'error Went')},
    'a parameter that is gone': {B: NEW.replace('Get(name: ?string, ', 'Get(')},
    'a parameter of another type': {B: NEW.replace('Put(name: string)', 'Put(name: int)')},
    'a new parameter that is needed': {B: NEW.replace('Put(name: string)', 'Put(name: string, more: int)')},
    'an answer that is gone': {B: NEW.replace('(inner: Inner, ', '(')},
    'an answer that may be absent now': {B: NEW.replace('(inner: Inner', '(inner: ?Inner')},
    'a field of an answer that may be absent now': {B: NEW.replace('(number: int', '(number: ?int')},
    'an optional answer that is certain now': {B: NEW.replace('note: ?string', 'note: string')},
    'an enum with another word': {B: NEW.replace('(one, two)', '(one, two, three)')},
    'an enum that lost a word': {B: NEW.replace('(one, two)', '(one, too)')},
    'a field of an error of another type': {B: NEW.replace('Gone (name: string', 'Gone (name: int')},
    'a list where there was one': {B: NEW.replace('inner: Inner,', 'inner: []Inner,')},
    'a stream that is none any more': {B: NEW.replace("# [Supports 'more' flag] pages", '# pages')},
    'a stream that must be one now': {B: NEW.replace("Supports 'more' flag] pages", "Requires 'more' flag] pages")},
    'an interface of another name': {B: NEW.replace('org.example.a', 'org.example.b')},
    'an interface that is gone': {B: None},
    'no released text': {A: None},
}

if __name__ == '__main__':
    lint.run('released', check, GOOD, BAD)
