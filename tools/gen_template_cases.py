#!/usr/bin/env python3
"""Makes tests/data/templates/cases.json: small templates with what jinja2 makes of them.

Needs jinja2 3.1.6 (pip install jinja2==3.1.6). The environment is configured as the transformers library configures it
for chat templates. Each case is {"t": template, "out": text} or, instead of out, "error": kind (raise_exception with its
message, undefined, security, syntax, other). All cases see the same variables.

Usage: gen_template_cases.py > tests/data/templates/cases.json
"""
import datetime
import json
import sys

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 1, 31, 12, 34, 56)


class Raised(TemplateError):
    pass


class Generation(Extension):
    """{% generation %} renders its body, as a call block does."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda fmt: NOW.strftime(fmt)
    return env


VARS = {
    "n": 7, "neg": -7, "f": 2.5, "big": 4611686018427387904, "t": True, "no": None, "s": "Hello, World",
    "uni": "سلام Ünïcode ß 東京 😀", "ws": "  \t padded \n ", "empty": "", "lines": "one\ntwo\r\nthree\n\nfive",
    "html": "<a href=\"x\">'&'</a>", "xs": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"], "none_list": [],
    "d": {"b": 1, "a": {"x": [1, 2, {"y": "z"}]}, "items": "shadow"}, "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "people": [{"name": "Zed", "age": 30, "city": "Rome"}, {"name": "amy", "age": 25, "city": "Oslo"},
               {"name": "Bob", "age": 30, "city": "rome"}, {"name": "Cy", "city": "Oslo"}],
    "floats": [1.0, 0.1, 1e-05, 1e16, 123456789.125, 1e22, 3.0e-10, 1e15, 0.0001, -0.0],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}, {"v": 5, "kids": []}],
    "schema": {"type": "object", "properties": {"q": {"type": "string", "description": "a \"q\" / é"}}, "required": ["q"]},
}

CASES = r"""
plain text
{{ n }} {{ neg }} {{ f }} {{ t }} {{ no }} {{ s }}
{{ missing }}|{{ missing is defined }}|{{ s is defined }}
{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}
{{ 7 / 2 }} {{ 6 / 2 }} {{ 1 / 3 }} {{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ 0 ** 0 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1.0 % 0 }}
{{ 10 - 3 - 2 }} {{ 100 / 10 / 2 }} {{ 2 * 3 % 4 }} {{ 1 - -1 }} {{ - -1 }} {{ +5 }} {{ -(3) }}
{{ True + 1 }} {{ true * 3 }} {{ not true }} {{ not none }} {{ True }} {{ none }} {{ None }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ 1 != 2 }}
{{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ (1, 2) == (1, 2) }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 'ell' in s }} {{ 'x' in s }} {{ 3 in xs }} {{ 9 not in xs }} {{ 'a' in d }} {{ not 3 in xs }} {{ '' in '' }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ [1] in d }}
{{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or 2 }} {{ '' or 'x' or 'y' }} {{ none and missing.x }} {{ 1 or missing.x }}
{{ not 1 == 2 }} {{ not 1 in [2] }} {{ 1 is not none and 2 }}
{{ 'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1, 'x'] ~ missing }}
{{ 'a' 'b' "c" }} {{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ 'x' * -1 }}|
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + (2,) }}
{{ [] + 'a' }}
{{ s + missing }}
{{ missing + s }}
{{ missing.attr }}
{{ missing['x'] }}
{{ missing() }}
{{ d.nope }}|{{ d.nope is defined }}|{{ d.a.nope is undefined }}
{{ d.nope.more }}
{{ s.nope }}|{{ s.nope() }}
{{ d.a.x[2].y }} {{ d['a']['x'][-1]['y'] }} {{ d.b }} {{ d.a.x.0 }} {{ xs[0] }} {{ xs[-1] }} {{ xs[9] }}|{{ xs['a'] }}|
{{ d.items is string }} {{ d['items'] }} {{ d.items() | list | length }}
{{ s[0] }} {{ s[-1] }} {{ s[0:5] }} {{ s[7:] }} {{ s[:-6] }} {{ s[::-1] }} {{ s[::3] }} {{ s[-5:-1] }} {{ s[20:] }}| {{ s[5:2] }}|
{{ uni[0] }} {{ uni[-1] }} {{ uni[2:8] }} {{ uni[::-1] }} {{ uni|length }} {{ uni[::2] }} {{ uni[-3::-2] }}
{{ xs[::-1] }} {{ xs[1:] }} {{ xs[:1] }} {{ (1, 2, 3)[1:] }} {{ range(10)[2:5] }} {{ range(10)[::3] | list }} {{ xs[:] }} {{ [1,2,3,4,5][::-2] }}
{{ xs[0:'a'] }}
{{ d[0:1] }}
{{ xs[::0] }}
{{ none[0] }}|{{ none.x }}|
{{ no[0:1] }}
{{ 5[0] }}|{{ 5.x }}|
{{ 'yes' if n > 5 else 'no' }} {{ 'yes' if n > 50 }}| {{ 'a' if false else 'b' if false else 'c' }} {{ ('x' if false) is defined }}
{{ [1, 'two', 3.0, none, true, [4], (5,), {'k': 'v'}, ()] }}
{{ {'a': 1, "b": [2], 3: 'c', none: true} }} {{ {} }} {{ [] }} {{ () }} {{ (1,) }} {{ 1, 2 }}
{{ "it's" }} {{ ["it's"] }} {{ ['say "hi"'] }} {{ ['both \' and "'] }} {{ ['tab\t nl\n back\\ nul\x01 é \u200b 😀'] }}
{{ 'esc: \n\t\\ \' \" \x41 \u00e9 \U0001F600 \101 \q' }}
{{ floats }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 100.0 }} {{ 1e100 }} {{ 12345678901234567.0 }}
{{ 0.1 + 0.2 }} {{ 1e16 + 1.0 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 1e308 * 10 }} {{ -(1e308 * 10) }} {{ 3.14159 }}
{{ mixed }} {{ d }} {{ uni }} {{ [uni] }}
{{ big + (big - 1) }} {{ -big - big }} {{ big // -1 }} {{ big % -3 }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.swapcase() }} {{ 'they\'re here'.title() }} {{ uni.upper() }} {{ uni.lower() }} {{ uni.title() }}
[{{ ws.strip() }}] [{{ ws.lstrip() }}] [{{ ws.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abcab'.lstrip('ab') }}] [{{ 'abcba'.rstrip('ab') }}] [{{ ws.strip(none) }}]
{{ s.split() }} {{ s.split(', ') }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ ' a  b c '.split(none, 1) }} {{ ''.split() }} {{ ''.split(',') }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a b c'.rsplit() }} {{ 'a b c'.rsplit(' ', 0) }} {{ 'a b c'.rsplit(none, 0) }} {{ 'x'.split('x') }} {{ 'a--b'.split('-', maxsplit=1) }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ ''.splitlines() }} {{ '\n'.splitlines() }} {{ 'a\x0bb\x1cc\u2028d'.splitlines() }}
{{ s.startswith('Hell') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith('x') }} {{ s.startswith('ello', 1) }} {{ s.endswith('Hell', 0, 4) }} {{ s.startswith('') }}
{{ s.startswith(['x']) }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 2) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ ''.replace('', 'x') }} {{ 'aaa'.replace('aa', 'b') }}
{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.index('W') }} {{ s.count('l') }} {{ s.count('') }} {{ s.find('o', 5) }} {{ s.find('o', 5, 8) }} {{ uni.find('東') }} {{ uni.rindex('n') }}
{{ s.index('zz') }}
{{ ', '.join(words) }} {{ ''.join(['a']) }} {{ '-'.join('abc') }} {{ '-'.join({'x': 1, 'y': 2}) }}
{{ ','.join(xs) }}
{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ 'abc'.rpartition('-') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'x'.removesuffix('') }} {{ 'abc'.removeprefix('z') }}
{{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} [{{ 'ab'.center(7) }}] [{{ 'abc'.center(8, '*') }}] [{{ 'ab'.ljust(5, '.') }}] [{{ 'ab'.rjust(5) }}] {{ 'a\tb'.expandtabs(4) }}
{{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \n'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ ''.isdigit() }} {{ '²'.isdigit() }} {{ '½'.isnumeric() }} {{ 'Ab Cd'.istitle() }} {{ 'é'.isascii() }} {{ 'a_1'.isidentifier() }} {{ '١٢'.isdecimal() }}
{{ '{} and {}'.format(1, 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x:>5}|{y:<4}|{z:^7}'.format(x=1, y='ab', z=2.5) }} {{ '{:05d} {:+d} {:x} {:#x} {:,}'.format(42, 7, 255, 255, 1234567) }} {{ '{:.2f} {:8.3f}| {:e} {:g} {:%}'.format(3.14159, 2.5, 12345.678, 0.0001, 0.25) }} {{ '{{}} {!r}'.format('q') }}
{{ '{a[k]} {b.real}'.format(a={'k': 'v'}, b=3) }}
{{ '{0[1]} {0[0]}'.format(xs) }} {{ '{:*^9}'.format('mid') }} {{ '{:>{w}}'.format('r', w=4) }} {{ '{:.2}'.format('abcdef') }} {{ '{:s}'.format('x') }}
{{ '{} {}'.format(1) }}
{{ '%s is %d years and %.2f' % ('Al', 30, 1.5) }} {{ '%5d|%-5d|%05d|%+d' % (1, 2, 3, 4) }} {{ '%s' % 'x' }} {{ '%r' % 'x' }} {{ '%%' % () }} {{ '%x %X %o' % (255, 255, 8) }} {{ '%(a)s-%(b)03d' % {'a': 'x', 'b': 7} }} {{ '%e %g' % (1234.5, 0.00001) }} {{ '%c' % 65 }} {{ '%10s|%-10s|' % ('r', 'l') }} {{ '%.2s' % 'abc' }} {{ '%s' % [1] }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'x' }}
{{ '%s' % (1, 2) }}
{{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 'dflt') }} {{ d.keys() }} {{ d.values() | list }} {{ {'a': 1}.items() }} {{ d.keys() | list }} {{ {'a': 1}.copy() }}
{% for k, v in {'x': 1, 'y': 2}.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }},{% endfor %}
{{ xs.index(2) }} {{ xs.count(1) }} {{ (1, 2, 1).count(1) }} {{ [1, true, 1.0].count(1) }}
{{ xs.index(99) }}
{{ xs.append(4) }}
{{ xs.append }}|{{ xs.pop is defined }}
{{ d.update({}) }}
{{ d.pop('a') }}
{{ xs.sort() }}
{{ s.__class__ }}|{{ ''.__class__.__mro__ }}
{{ xs.copy() }} {{ d.clear is defined }}
{{ xs is iterable }} {{ s is iterable }} {{ n is iterable }} {{ d is iterable }} {{ xs is sequence }} {{ d is sequence }} {{ s is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ missing is iterable }} {{ range(3) is sequence }}
{{ s is string }} {{ n is string }} {{ d is mapping }} {{ xs is mapping }} {{ n is number }} {{ t is number }} {{ f is number }} {{ s is number }} {{ n is integer }} {{ t is integer }} {{ f is float }} {{ t is boolean }} {{ n is boolean }}
{{ no is none }} {{ missing is none }} {{ t is true }} {{ 1 is true }} {{ false is false }} {{ none is not none }} {{ n is defined }} {{ missing is undefined }} {{ s is not defined }}
{{ 4 is even }} {{ 4 is odd }} {{ 3 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'A' is upper }} {{ 'a' is lower }} {{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 2 is gt 1 }} {{ 2 is lt(1) }} {{ 1 is ne 1 }} {{ 2 is ge 2 }} {{ 2 is le 1 }} {{ 'a' is in 'abc' }} {{ 5 is in [1] }} {{ none is sameas none }} {{ 1 is sameas true }} {{ range is callable }} {{ s is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}
{{ n is nosuchtest }}
{{ n | nosuchfilter }}
{{ n is not divisibleby 2 }} {{ n is not string and true }} {{ (n is string) or true }}
{{ s | upper }} {{ s | lower }} {{ 'hello world-foo (bar)' | title }} {{ 'hELLO wORLD' | capitalize }} {{ ws | trim }}| {{ 'xxaxx' | trim('x') }} {{ 5 | upper }} {{ none | string | upper }} {{ 12 | trim }}
{{ s | length }} {{ xs | count }} {{ d | length }} {{ missing | length }} {{ range(5) | length }}
{{ n | length }}
{{ missing | default('dflt') }} {{ no | default('x') }} {{ '' | default('x', true) }} {{ no | d('y', boolean=true) }} {{ d.nope | default }}| {{ 0 | default(1) }}
{{ xs | join }} {{ xs | join(', ') }} {{ people | join(', ', attribute='name') }} {{ mixed | join('|') }} {{ 'abc' | join('-') }} {{ missing | join(',') }}| {{ d | join(',') }}
{{ no | join(',') }}
{{ xs | first }} {{ xs | last }} {{ 'abc' | first }} {{ 'abc' | last }} {{ [] | first }}| {{ ([] | last) is defined }} {{ d | first }} {{ range(3) | last }}
{{ xs | sort }} {{ xs | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ people | sort(attribute='name') | map(attribute='name') | join(',') }} {{ people[:3] | sort(attribute='age,name') | map(attribute='name') | join(',') }} {{ 'hello' | sort | join }}
{{ mixed | sort }}
{{ people | sort(attribute='age') }}
{{ xs | min }} {{ xs | max }} {{ words | min }} {{ words | max }} {{ [] | min }}| {{ people[:3] | max(attribute='age') }} {{ 'hello' | max }}
{{ xs | sum }} {{ [1.5, 2] | sum }} {{ people[:3] | sum(attribute='age') }} {{ [] | sum }} {{ xs | sum(start=10) }} {{ [[1], [2]] | sum(start=[]) }}
{{ words | sum }}
{{ [1, 2, 1, 3, 2] | unique | list }} {{ words | unique | list }} {{ words | unique(case_sensitive=true) | list }} {{ people | unique(attribute='city') | map(attribute='name') | list }}
{{ xs | reverse | list }} {{ 'abc' | reverse }} {{ d | reverse | list }} {{ (1, 2) | reverse | list }}
{{ words | map('upper') | list }} {{ people | map(attribute='age', default='?') | list }} {{ people | map(attribute='name') | map('lower') | join(' ') }} {{ ['1', '2'] | map('int') | sum }} {{ words | map('replace', 'a', 'A') | list }} {{ no | map('upper') | list }} {{ [[1,2],[3]] | map('first') | list }} {{ [[1,2],[3,4]] | map(attribute=1) | list }}
{{ xs | map('nosuch') | list }}
{{ xs | map | list }}
{{ xs | select('odd') | list }} {{ xs | reject('odd') | list }} {{ mixed | select | list }} {{ [0, 1, '', 'a'] | reject | list }} {{ xs | select('gt', 1) | list }} {{ xs | select('in', [1, 2]) | list }} {{ mixed | select('string') | list }} {{ xs | reject('equalto', 3) | list }}
{{ people | selectattr('age') | map(attribute='name') | list }} {{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('age', 'defined') | map(attribute='name') | list }} {{ people | selectattr('city', 'eq', 'Oslo') | list | length }} {{ people | selectattr('name', 'in', ['amy']) | list }} {{ no | selectattr('x') | list }}
{{ xs | select('nosuch') | list }}
{{ people | selectattr | list }}
{{ people | groupby('city') | map(attribute='grouper') | list }} {% for c, ps in people | groupby('city') %}{{ c }}:{{ ps | map(attribute='name') | join('+') }};{% endfor %} {% for g in people | groupby('city', case_sensitive=true) %}{{ g.grouper }}={{ g.list | length }} {% endfor %} {% for g in people | groupby('age', default=0) %}{{ g[0] }} {% endfor %}
{{ d | dictsort | list | length }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(true) }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value') }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ xs | dictsort }}
{{ d | items | list | length }} {{ missing | items | list }} {{ {'a': 1} | items | list }}
{{ no | items | list }}
{{ [1,2,3,4,5,6,7] | batch(3) | list }} {{ [1,2,3,4,5,6,7] | batch(3, 'x') | list }} {{ [1,2,3,4,5,6,7] | slice(3) | list }} {{ [1,2,3,4,5,6,7] | slice(3, 'x') | list }} {{ [] | batch(2) | list }} {{ [1] | slice(3) | list }} {{ [1,2,3,4,5,6] | batch(3, 0) | list }}
{{ -5 | abs }} {{ (-5) | abs }} {{ -2.5 | abs }} {{ true | abs }} {{ 42.55 | round }} {{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(1, 'ceil') }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 5 | round }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ 7 | round(0, 'floor') }} {{ -2.5 | round }} {{ 1234.5 | round(-2) }}
{{ '42' | int }} {{ '42.9' | int }} {{ 'x' | int }} {{ 'x' | int(9) }} {{ '0x1A' | int(0, 16) }} {{ '1A' | int(base=16) }} {{ 3.99 | int }} {{ -3.99 | int }} {{ none | int }} {{ true | int }} {{ ' 12 ' | int }} {{ '1_000' | int }} {{ '1e3' | int }} {{ '' | int }} {{ '0b11' | int(0, 2) }}
{{ '2.5' | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ 3 | float }} {{ '1e-3' | float }} {{ ' 1.0 ' | float }} {{ 'inf' | float }} {{ 'nan' | float }} {{ '1_0.5' | float }} {{ '.5' | float }} {{ '5.' | float }}
{{ missing | int }}
{{ missing | float }}
{{ s | replace('l', 'L') }} {{ s | replace('l', 'L', 1) }} {{ 123 | replace(2, 'x') }} {{ 'a.b' | replace('.', none) }}
{{ lines | indent }}|{{ lines | indent(2) }}|{{ lines | indent(2, true) }}|{{ lines | indent(2, blank=true) }}|{{ lines | indent('> ', first=true) }}|{{ '' | indent(2, true) }}|{{ 'a\n' | indent(2) }}|{{ 'a\n\n' | indent(2) }}|
{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '...', 0) }} {{ 'abcdefghijkl' | truncate(5, end='>') }} {{ uni | truncate(5, true, '', 0) }}
{{ 'ab' | truncate(2, false, '...') }}
[{{ 'ab' | center(6) }}] [{{ 'ab' | center(5) }}] {{ 'one two, three_x 4' | wordcount }} {{ 'a b&c/d?é=1' | urlencode }} {{ {'a b': 'c&d', 'e': 1} | urlencode }} {{ [('x', 1), ('y', 'é')] | urlencode }} {{ 5 | urlencode }}
{{ 100 | filesizeformat }} {{ 1 | filesizeformat }} {{ 1000 | filesizeformat }} {{ 1234567 | filesizeformat }} {{ 1234567 | filesizeformat(true) }} {{ 1e30 | filesizeformat }} {{ '4096' | filesizeformat(binary=true) }}
{{ html | e }} {{ html | escape }} {{ html | safe }} {{ (html | safe) + '<' }} {{ '<' + (html | safe) }} {{ html | safe | e }} {{ (html | safe) ~ '<' }} {{ (html | e) is escaped }} {{ html is escaped }} {{ [html | safe] }} {{ html | safe | upper }} {{ 5 | e }}
{{ {'id': 'x"y', 'n': none, 'c': 1} | xmlattr }}|{{ {'a': 1} | xmlattr(false) }}|{{ {} | xmlattr }}|
{{ {'a b': 1} | xmlattr }}
{{ 'Hi %s' | format('Al') }} {{ '%d-%d' | format(1, 2) }} {{ '%(a)s' | format(a=5) }}
{{ d | attr('keys') | string | length > 0 }} {{ d | attr('b') }}| {{ n | attr('nope') }}|
{{ d | tojson }} {{ mixed | tojson }} {{ uni | tojson }} {{ uni | tojson(ensure_ascii=true) }} {{ html | tojson }} {{ floats | tojson }} {{ 'a\n\t"\\\x01\x7f/\u2028' | tojson }} {{ [] | tojson }} {{ {} | tojson }} {{ {1: 2, none: 3, true: 4, 2.5: 6} | tojson }} {{ (1, 2) | tojson }}
{{ schema | tojson(indent=4) }}|{{ schema | tojson(indent=2, sort_keys=true) }}|{{ schema | tojson(separators=(',', ':')) }}|{{ [] | tojson(indent=2) }}|{{ [[], {}] | tojson(indent=1) }}|{{ [1] | tojson(indent=0) }}|{{ [1] | tojson(indent='--') }}|{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}
{{ missing | tojson }}
{{ d.keys() | tojson }}
{{ xs | map('string') | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ (1e308 * 10) | tojson }} {{ -(1e308 * 10) | tojson }} {{ 'nan' | float | tojson }}
{{ {[1]: 2} }}
{{ xs | list }} {{ 'abc' | list }} {{ d | list }} {{ range(3) | list }} {{ (1, 2) | list }} {{ missing | list }}
{{ no | list }}
{{ 5 | list }}
{% for x in xs %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in xs %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for x in xs %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }} {% endfor %}
{% for x in [] %}x{% else %}empty{% endfor %} {% for x in missing %}x{% else %}none{% endfor %} {% for x in xs %}{{ x }}{% else %}never{% endfor %}
{% for x in no %}x{% endfor %}
{% for x in 5 %}x{% endfor %}
{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% else %}-{% endfor %} {% for x in xs if x > 10 %}{{ x }}{% else %}nothing{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}-{{ b }} {% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for (a, b) in [[1, 2]] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [(1,)] %}{{ a }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for c in 'añ😀' %}[{{ c }}]{% endfor %}
{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for x in [1] %}{% continue %}{% else %}E{% endfor %}
{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}
{% for node in tree recursive %}{{ node.v }}{% if node.kids %}({{ loop(node.kids) }}){% endif %}{{ loop.depth }} {% endfor %}
{% for x in xs %}{{ loop(xs) }}{% endfor %}
{% set x = 1 %}{% for i in xs %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(x=1, y='a') %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z }}| {{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }} {% set ns.c = [1] %}{{ ns.c }}
{% set x = 5 %}{% set x.y = 1 %}
{% if true %}{% set v = 1 %}{% endif %}{{ v }} {% if false %}{% set w = 1 %}{% endif %}{{ w is defined }}
{% for i in [1] %}{% if true %}{% set v = i %}{% endif %}{{ v }}{% endfor %}{{ v is defined }}
{% set n = n + 1 %}{{ n }} {% for i in [1, 2] %}{% set n = n + 1 %}{{ n }}{% endfor %}{{ n }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (c, d2) = [3, 4] %}{{ c }}{{ d2 }} {% set e = 1, 2 %}{{ e }}
{% set a, b = 1 %}
{% set a, b = [1] %}
{% set block %}in {{ n }} side{% endset %}[{{ block }}] {% set up | upper | replace('A', '_') %}banana{% endset %}{{ up }} {% set q %}{% set inner = 1 %}{% endset %}{{ inner is defined }}
{% if n > 10 %}a{% elif n > 5 %}b{% else %}c{% endif %} {% if missing %}x{% endif %}{% if '' %}x{% elif [] %}y{% elif {} %}z{% elif 0.0 %}w{% else %}ok{% endif %}
{% macro m(a, b='B', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(c=3, a=1) }}{{ m() }}{{ m.name }}{{ m.arguments }}{{ m is callable }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }} {{ m(1) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * (fact(n - 1) | int) }}{% endif %}{% endmacro %}{{ fact(10) }}
{% macro m() %}{{ g }}{% endmacro %}{% set g = 1 %}{{ m() }}{% set g = 2 %}{{ m() }}{% for g in [3] %}{{ m() }}{% endfor %}
{% for i in [1, 2] %}{% macro m() %}<{{ i }}>{% endmacro %}{{ m() }}{% endfor %}
{% macro m() %}{% set z = 1 %}{{ z }}{% endmacro %}{{ m() }}{{ z is defined }}
{% macro box(title) %}<{{ title }}:{{ caller() }}>{% endmacro %}{% call box('T') %}body {{ n }}{% endcall %}
{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i) each(xs) %}({{ i }}:{{ x }}){% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }} {{ a() | length }} {{ a() + 'c' }}
{% filter upper %}abc {{ n }}{% endfilter %} {% filter replace('a', 'b') | upper %}aa{% endfilter %}
{% with a=1, b=n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }} {% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }} {% set a = 5 %}{% with a=1, b=a %}{{ b }}{% endwith %}
{% raw %}{{ not rendered }} {% if %}{% endraw %} {%- raw -%}  x  {%- endraw -%} y
{# comment #}a{# multi {{ line }} #}b{#- strip -#} c
{% generation %}gen {{ n }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
{% print n, s %} {% block title %}T{{ n }}{% endblock title %} {% autoescape false %}{{ html }}{% endautoescape %}
{{ range(5) | list }} {{ range(1, 10, 3) | list }} {{ range(5, 0, -2) | list }} {{ range(3) }} {{ range(0) | list }} {{ range(1, 4) | join }} {{ 3 in range(5) }} {{ range(10)[-1] }} {{ range(1, 10, 2) }}
{{ range(1000000) }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ dict(a=1, b='x') }} {{ dict([('k', 1)]) }} {{ dict({'a': 1}, b=2) }} {{ dict() }} {{ dict(a=1) | length }} {{ dict(**{'z': 1}) }}
{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A %B %H:%M:%S %p %j %y %I %%') }} {{ strftime_now('%-d/%-m') }} {{ strftime_now('%a, %U %W %w %e') }}
{{ raise_exception('my message ' ~ n) }}
{{ joiner }}|{% set j = joiner('; ') %}{{ j() }}a{{ j() }}b{{ j() }} {% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}
{{ m2(1) }}
{{ n() }}
{{ s.upper.x }}|
{{ '' .join(['a', 'b']) }} {{ "%s" | format("x") }} {{ (1, 2)[0] }} {{ [1, 2][1] }} {{ {'a': {'b': 2}}.a.b }} {{ {'a': {'b': 2}}['a']['b'] }} {{ 'abc'[1] }} {{ (xs | sort)[0] }}
{{ -xs | length }}
{{ xs | length > 2 and xs | first == 3 }} {{ xs | length + 1 }} {{ -n | abs }} {{ n | string + 'x' }} {{ 'a' ~ n + 1 }} {{ 1 + 2 ~ 3 + 4 }}
{{ n.real }}
{{ xs[1,2] }}|{{ {(1,2): 'tup'}[1,2] }}
{{ loop }}|{{ loop is defined }}
{{ [1,2,3,] }} {{ {'a':1,} }} {{ (1,) }} {{ dict(a=1,) }}
{{ people[0].name[0] }} {{ people[0]['name'].lower()[1:] }} {{ people | map(attribute='name') | first }} {{ people[0].items() | list }}
{{ 'a' if 'b' in s else 'c' if n == 7 }} {{ (n if n else 1) + 1 }} {{ [n if n > 1 else 0, 2] }}
{{ x.y.z if x is defined else 'none' }} {{ s if s is string else s | tojson }} {{ not s is string }} {{ s is string == true }}
{{ "a" "b" | upper }} {{ 'x' in ['x'] and 'y' not in ['x'] }} {{ 2 in [1, 2] == true }}
{{ 'ab'.join(['1', '2']).upper() }} {{ ws.strip().split(' ')[0].upper() | lower }}
{{ lines.split('\n')[-1].strip('e') }} {{ s.split('o')[0] + 'o' }} {{ '</think>' in 'a</think>b' }} {{ 'a</think>b'.split('</think>')[-1].lstrip('\n') }}
{{ "\u00e9".upper() }} {{ 'İ'.lower() | length }} {{ 'ΑΣ'.lower() }} {{ 'ﬁ'.upper() }} {{ 'ǆ'.title() }}
{{ uni.split() }} {{ uni.replace('東京', 'Tokyo') }} {{ uni.strip('سلم') }} {{ '\u00a0x\u3000'.strip() }}| {{ uni.center(30, '東') }} {{ uni.find('ß') }} {{ uni.count('n') }}
{{ '%5.1f|%-8.3e|%+g|%#x|% d' % (3.14159, 1234.5, 1e10, 255, 5) }}
{{ '%3c|%-3c|' % ('a', 98) }}
{{ '{:,.2f} {:_} {:_x} {:b} {:o} {:X} {:c} {:n}'.format(1234567.891, 1234567, 70000, 5, 8, 255, 65, 12) }}
{{ '{:<10}|{:^10}|{:>10}|{:=+8d}|{:010.3f}'.format('l','c','r',42,-3.14159) }}
{{ '{:g} {:G} {:.3g} {:e}'.format(1e-10, 1e20, 1234567.0, 0.0) }} {{ '{:.0f}'.format(2.5) }} {{ '{}'.format(1e16) }} {{ '{:.3}'.format(2.0) }} {{ '{:5}|{:<5}|'.format(true, none) }}
{{ '{:5}|{:<5}|{!s:>6}'.format(true, 1, none) }} {{ '{0!r:>8}'.format('a') }}
{% macro rec(t, d=0) %}{% if t is mapping %}{ {% for k, v in t.items() %}{{ k }}: {{ rec(v, d + 1) }}{% if not loop.last %}, {% endif %}{% endfor %} }{% elif t is string %}"{{ t }}"{% elif t is iterable %}[{% for i in t %}{{ rec(i, d+1) }}{% endfor %}]{% else %}{{ t }}{% endif %}{% endmacro %}{{ rec(schema) }} {{ rec(d) }}
{% for p in people | sort(attribute='city') %}{{ p.name }} {% endfor %}{% for p in people|selectattr('age','defined')|sort(attribute='age',reverse=true) %}{{ p.name }}{% endfor %}
{% set ns = namespace(found=false, out=[]) %}{% for x in xs %}{% set ns.out = ns.out + [x * 2] %}{% endfor %}{{ ns.out }}
{% for x in xs %}{% set outer = loop %}{% for y in xs %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in xs|reverse %}{{ x }}{{ loop.length }}{% endfor %}
{{ xs|reverse|first }}{{ xs|map('string')|list|last }}
{{ (xs|select('odd'))|length }}
{{ xs|map('string') is iterable }} {{ xs|map('string') is sequence }}
{{ d.items() is sequence }} {{ d.keys() is iterable }} {{ d.keys()|length }} {{ 'a' in d.keys() }} {{ d.values()|first }}
{{ d.keys()[0] }}|
{{ people|map(attribute='name')|sort|join(' ') }} {{ people|map(attribute='city')|unique|sort|join }}
{{ s|list|length }} {{ s|list|unique|join }} {{ 'mississippi'|groupby(0)|length }}
{{ [1,2,3]|sum / 2 }} {{ [3,1]|sort + [9] }} {{ 5 in [x for x in xs] }}
{{ {'a':1}|length }} {{ {'a': 1, 'a': 2} }} {{ {1: 'x', 1.0: 'y', true: 'z'} }}
{{ not not 1 }} {{ not (1 and 0) }} {{ 1 if not 0 }} {{ - 5 ** 2 }} {{ 2 ** -1 ** 2 }} {{ 5 - 3 ~ 2 * 2 }} {{ 'a' ~ 'b' * 2 }} {{ 1 ~ 2 + 3 }}
{{ 1 == 1 == 1 }} {{ 1 < 2 == true }} {{ 'a' in 'abc' in ['abc'] }} {{ 1 in [1] == [1] }}
{{ xs | first | string ~ 'x' }} {{ -1 | abs }} {{ 3 - 1 | abs }} {{ not xs | length == 3 }} {{ xs is iterable and xs is not string }}
{{ s.split(',')[0] | lower }} {{ s.split(',') | map('trim') | join('|') }} {{ (s ~ '!').split('!')[0][-1] }} {{ s.lower().replace('l', '').strip('hd') }}
{% if s is string and s|length > 3 and not s.startswith('x') %}ok{% endif %} {% if s == 'Hello, World' or missing.x %}ok{% endif %}
{% if missing == none %}a{% else %}b{% endif %} {{ missing == missing2 }} {{ missing != 1 }} {{ none == missing }} {{ missing in [1] }} {{ missing ~ 'x' }} {{ [missing] }} {{ {'k': missing} }}
{{ missing in 'abc' }}
{{ missing + 1 }}
{{ missing < 1 }}
{{ -missing }}
{{ missing|upper }}|{{ missing|trim }}|{{ missing|string }}|{{ missing|list }}|{{ missing|first }}|{{ missing|join }}|{{ missing|sort }}|{{ missing|sum }}|{{ missing|map('upper')|list }}|{{ missing|replace('a','b') }}|{{ missing|length }}|{{ missing|reverse|list }}|{{ missing|unique|list }}|{{ missing|min }}|{{ missing|last }}
{{ missing|abs }}
{{ missing|round }}
{{ missing|indent }}
{{ missing|items|list }} {{ missing|dictsort }}
{{ no|default('x')|upper }} {{ no|string|length }} {{ [none, 1]|join('-') }} {{ none ~ none }} {{ no|title }} {{ no|replace('N','x') }} {{ no|int }} {{ no|first }}
{{ no.foo }}|{{ no['foo'] }}|{{ no is defined and no is none }}
{{ no.foo.bar }}
{{ no() }}
{{ no + 'a' }}
{{ 'a' + no }}
{{ no|length }}
{{ true + 'a' }}
{{ xs + none }}
{{ d + d }}
{{ d - 1 }}
{{ 'a' - 'b' }}
{{ 'a' * 'b' }}
{{ 'a' / 2 }}
{{ [1] < ['a'] }}
{{ d < d }}
{{ none == false }} {{ 0 == false }} {{ '' == false }} {{ [] == false }} {{ none == 0 }}
{{ 1e3|int }} {{ 1.0 }} {{ 100000000000000000000.0 }} {{ 1.5|string }} {{ 3.0|int }} {{ (1/3)|round(3) }} {{ 7.0 // 2 }} {{ 2.0 ** 3 }} {{ 1e-5 }} {{ 0.00001234 }} {{ 123456.789e3 }}
{{ 3.7 % 1 }} {{ -1 % 5 }} {{ 5.5 % -2 }} {{ 0.0 // 1 }} {{ -0.0 }} {{ 1e300 * 1e10 }} {{ 7 // -2.0 }}
{{ [1.0, 2.50, 1e7, -1e-7]|tojson }} {{ 1e7|tojson }} {{ 12345678.9|tojson }} {{ true|tojson }} {{ none|tojson }} {{ "é\u0000"|tojson }}
{{ {'a': {'b': [1, {'c': none}]}}|tojson(indent=2) }} {{ [1,[2,[3]]]|tojson(2) }} {{ 'é'|tojson(true) }} {{ {'b':1,'a':[{'z':1,'y':2}]}|tojson(sort_keys=true, separators=(',',':')) }}
{{ tojson }}|
{{ 'a\x7f\u00a0😀' | tojson(ensure_ascii=true) }} {{ '\x7f'|tojson }}
{{ xs|tojson(indent=4)|indent(2) }} {{ xs|tojson|length }} {{ xs|tojson|safe }} {{ (xs|tojson) ~ 'x' }}
{% set x %}{{ xs|tojson }}{% endset %}{{ x|length }}{{ x is string }}
{% set x = xs|map('string')|join(',') if xs else 'none' %}{{ x }}
{% for k in d|sort %}{{ k }}{% endfor %} {% for k, v in d|dictsort %}{{ k }}{% endfor %} {% for k in d.keys()|sort(reverse=true) %}{{ k }}{% endfor %}
{% for x in (1, 2) %}{{ x }}{% endfor %} {% for x in 1, 2, 3 %}{{ x }}{% endfor %} {% for k, v in d.items() if k != 'a' %}{{ k }}{{ loop.last }}{% endfor %}
{% for x in range(3) if x is odd %}{{ x }}{% endfor %} {% for i in range(xs|length - 1, -1, -1) %}{{ xs[i] }}{% endfor %} {% for a in xs[::-1] %}{{ a }}{% endfor %}
{% for x in xs %}{% for y in xs if y != x %}{{ x }}{{ y }}{% if loop.last %};{% endif %}{% endfor %}{% endfor %}
{% for x in [1,2,3] %}{% if loop.index is divisibleby 2 %}{% continue %}{% endif %}{% if x == 3 %}{{ loop.last }}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{{ loop.changed(x) }}{% endfor %} {% for x in [1,1,2] %}{{ loop.changed(x) }}{% endfor %} {% for x in [] %}{% else %}{{ loop is defined }}{% endfor %}
{% macro a(x) %}{{ caller(x) if caller else 'no' }}{% endmacro %}{{ a(1) }} {% call(v) a(2) %}<{{ v }}>{% endcall %}
{% macro a() %}{{ kwargs.x }}{{ kwargs|length }}{{ varargs|join }}{% endmacro %}{{ a(1, 2, x=3) }}
{% macro outer() %}{% macro inner(z) %}[{{ z }}]{% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% macro m(x) %}{% set x = x + 1 %}{{ x }}{% endmacro %}{{ m(1) }}{{ m(1) }} {% macro k(a, b=[]) %}{{ b + [a] }}{% endmacro %}{{ k(1) }}{{ k(2) }}
{% macro m() -%}  trimmed  {%- endmacro %}[{{ m() }}] {% macro n() %}{{ return }}{% endmacro %}{{ n() }}
{%- macro m(x) -%}{%- if x -%}{{- x -}}{%- endif -%}{%- endmacro -%} a {{- m('b') -}} c
{% set a = [] %}{% set a = a + [1] %}{{ a }} {% set d2 = dict(d, z=1) %}{{ d2.z }}{{ d.z is defined }} {% set t = (1, 'a') %}{{ t }}{{ t[1] }}
{% set x, y = 'ab' %}{{ x }}{{ y }} {% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
{% if x is not defined %}{% set x = 'dflt' %}{% endif %}{{ x }} {% set n = n|default(3) %}{{ n }} {% set zz = zz|default('q') %}{{ zz }}
{% with x = 1 %}{% with y = x + 1 %}{{ x }}{{ y }}{% endwith %}{{ y is defined }}{% endwith %} {% filter trim|upper %}  abc {% endfilter %}|
{{ '\u0663'.isdigit() }} {{ 'a\u0301'|length }} {{ uni|upper|lower }} {{ uni|title }} {{ uni|capitalize }} {{ 'straße'|upper }} {{ 'ÀÉ'|lower }} {{ 'ǅ'|upper }} {{ 'ŉ'|title }}
{{ uni|truncate(10) }} {{ uni|wordcount }} {{ uni|urlencode }} {{ uni|replace('ü', 'u') }} {{ uni|reverse }} {{ uni|first }} {{ uni|list|length }} {{ uni|tojson(ensure_ascii=true)|length }}
{{ lines.split('\n') }} {{ lines.split('\n', 2) }} {{ lines|trim('one\n') }} {{ lines.splitlines()|join('+') }} {{ lines|replace('\r\n', '\n')|indent(1, true, true) }}
{{ 'a  b'.split(' ') }} {{ 'abc'.split('b', 0) }} {{ 'aXbXc'.rsplit('X') }} {{ 'aXbXc'.rsplit('X', 1)[0] }} {{ '   '.split() }} {{ '   '.split(' ') }} {{ 'a b'.split(none) }} {{ 'a,b'.split(sep=',') }}
{{ raise_exception() }}
{{ raise_exception('a\nb') }}
{{ raise_exception(5) }}
{{ strftime_now('%d %B, %Y') }} {{ strftime_now("%Y") | int + 1 }} {{ strftime_now('%x %X %c') }} {{ strftime_now('plain') }}
{{ strftime_now() }}
{{ range(3, 1)|list }} {{ range(-3)|list }} {{ range(0, 10, 5)|list }} {{ range(3)|sum }} {{ range(3)|max }} {{ (range(3)|list)[-1] }} {{ range(3) == range(0, 3) }} {{ range(2) ~ '' }} {{ range(5)|reverse|list }} {{ range(5)|batch(2)|list }}
{{ people|map(attribute='nope')|list }} {{ people|map(attribute='nope', default=0)|sum }} {{ people|map('attr', 'x')|list }} {{ people|selectattr('name', 'match', 'x')|list }}
{{ people|selectattr('age', '>', 26)|map(attribute='name')|list }}
{{ people[:3]|selectattr('age', '>', 26)|map(attribute='name')|list }} {{ people|rejectattr('city', 'equalto', 'Oslo')|map(attribute='name')|list }} {{ people|selectattr('name', 'string')|list|count }} {{ d|selectattr('x')|list }}
{{ {'a': {'on': true}, 'b': {'on': false}}.values()|selectattr('on')|list }} {{ [{'f': {'n': 'x'}}]|map(attribute='f.n')|list }} {{ [{'f': {'n': 'x'}}]|selectattr('f.n', 'eq', 'x')|list|length }} {{ [['a', 1]]|map('last')|list }} {{ ['a,b']|map('split', ',')|list }}
{{ 'x'|default }} {{ ''|default('e') }} {{ false|default('e', true) }} {{ missing.x|default('e') }}
{{ (missing|default({})).x|default('deep') }} {{ (d.zz or {}).y }}| {{ d.get('zz', {}).get('y', 'no') }} {{ d.get('a').x[0] }} {{ d.get(1) }} {{ d.get('a', {})['x'] }}
{{ d.get() }}
{{ d.get([]) }}
{{ s.foo() }}
{{ s.upper(1) }}
{{ s.split(1) }}
{{ s.startswith(1) }}
{{ s.format }}
{{ xs.extend([1]) }}
{{ xs.insert(0, 1) }}
{{ xs.remove(1) }}
{{ d.setdefault('x', 1) }}
{{ d.popitem() }}
{{ d.__getitem__('a') }}
{{ s.__len__() }}
{{ xs['__class__'] }}|{{ d._private }}|{{ d.__x }}
{{ namespace.__init__ }}|{{ range.__name__ }}|
{{ "{0.__class__}".format(1) }}
{{ 1.0 is integer }} {{ 1 is float }} {{ '5' is number }} {{ none is mapping }} {{ (1,) is sequence }} {{ d.items is callable }} {{ 3 is in [3] }} {{ 'AbC' is upper }} {{ 5 is odd and 4 is even }} {{ 0 is divisibleby 5 }} {{ [] is sequence and [] is iterable }} {{ namespace() is mapping }}
{{ 5 is divisibleby 0 }}
{{ 'a' is odd }}
{{ true is integer }} {{ 1 is boolean }} {{ 0 is false }} {{ true is true }} {{ 'x' is none }} {{ x is defined == false }} {{ s is eq('Hello, World') }} {{ xs is eq [3, 1, 2] }} {{ n is gt 3 and n is lt 10 }}
{#- a -#}  {{- 'x' -}}  {#- b -#}
{%- for x in xs -%} {{ x }} {%- endfor -%}
  {% if true %}
  indented
  {% endif %}
tail
{% if true %}

x
{% endif %}

a  {%- if true -%}  b  {%- endif -%}  c
a {%+ if true %} b{% endif +%}
c
   {%+ if true %}x{%+ endif %}
   {{ n }}
   {{- n -}}
   z
  {# c1 #}
  text {# c2 #} more
x{% set q = 1 %}
y
{% for x in xs %}
  - {{ x }}
{% endfor %}
end
a {{- ' b ' -}} c
{{ 'x' }}
{{ 'y' }}

{{ '{{' }} {{ '%}' }} {{ "}}" }} {% set v = {'a': {'b': 1}} %}{{ v }}{{ {'a': {'b': 1}} }}
{% if n %}{{ n }}{% endif
%}x
{{ n
}}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% if %}x{% endif %}
{% endif %}
{{ n
{{ 'abc }}
{% for x in xs %}x
{% unknown %}
{{ 1 + }}
{{ (1 }}
{{ [1, 2 }}
{{ } }}
{% break %}
{{ a b }}
{% set true = 1 %}
{% set x %}
{% macro m(a=1, b) %}{% endmacro %}
{{ 1 is string is number }}
{# never closed
{% raw %} never closed
{{ f(a=1, 2) }}
{{ @ }}
{% if true %}{% else %}{% elif %}{% endif %}
"""

def split_cases(text):
    """One case a line; the stretch about whitespace is one case as a whole, and in parts."""
    lines = text.strip("\n").split("\n")
    start = lines.index("  {% if true %}")
    end = lines.index("{% include 'x' %}")
    cases = lines[:start] + lines[end:]
    block = "\n".join(lines[start:end])
    parts = ["  {% if true %}\n  indented\n  {% endif %}\ntail", "{% if true %}\n\nx\n{% endif %}\n\n",
             "a  {%- if true -%}  b  {%- endif -%}  c", "a {%+ if true %} b{% endif +%}\nc\n",
             "   {%+ if true %}x{%+ endif %}\n   {{ n }}\n   {{- n -}}\n   z\n", "  {# c1 #}\n  text {# c2 #} more\n",
             "x{% set q = 1 %}\ny\n", "{% for x in xs %}\n  - {{ x }}\n{% endfor %}\nend\n\n", "a {{- ' b ' -}} c",
             "{{ 'x' }}\n{{ 'y' }}\n", "{{ '{{' }} {{ '%}' }} {{ \"}}\" }}",
             "{% set v = {'a': {'b': 1}} %}{{ v }}{{ {'a': {'b': 1}} }}", "{% if n %}{{ n }}{% endif\n%}x", "{{ n\n}}"]
    more = [block, "\r\nwin\r\n{% if true %}\r\nx\r\n{% endif %}\r\n", "\n\n", "", "\n", "a\n\n{% set x = 1 %}\n\nb\n\n",
            "{%- set x = 1 -%}\n\n {{ x }}", "\t{% set x = 1 %}\t\n", "a{% set x = 1 %}  \n  {% set y = 1 %}\nb",
            "{% if true -%}\n\n  x\n\n{%- endif %}\n y", "{{ x -}}\n\n  y {{- z }}", "{%- raw %}\n a {% endraw %}\n b",
            "  {% raw %}\n  {{ x }}\n  {% endraw %}\n z", "{# a #}\n  {#- b #}\n  c", "x\n  {%- for i in [1] %}\n  {{ i }}\n  {%- endfor %}\n",
            "{% if true %}\n{% if true %}\n  a\n{% endif %}\n  {% endif %}\n b",
            "  {{ n }}\n  {%- if true %}\n  x\n  {%- endif %}\n\n",
            "{%- if true %}\n    x\n{%- else %}\n y\n{%- endif %}\nz",
            "a\n  {# c #}\nb",
            "a {# c #}\nb",
            "a\n {#- c #}\n b",
            "{{ n }}  \n",
            "{{ n -}}  \n x",
            "\n\n  {%- set x = 1 %}\n\n{{ x }}\n",
            "{% set x = 1 %}{% set y = 2 %}\n  {% set z = 3 %}\n{{ x }}",
            "{% for i in xs %}{{ i }}\n{% endfor %}|",
            "{% for i in xs -%}\n  {{ i }}\n{%- endfor %}|",
            "{% for i in xs %}\n  {% if i > 1 %}\n  {{ i }}\n  {% endif %}\n{% endfor %}",
            "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]",
            "  {%+ if true %}  x{% endif %}",
            "x {%- raw %} {{ y }} {% endraw -%} z",
            "{% raw %}\n x\n{% endraw %}\n y",
            "{% raw -%}\n x\n{%- endraw %}\n y",
            "\t  {% if 1 %}\ttab{% endif %}\t\n",
            "a\u00a0{% if 1 %}b{% endif %}",
            "\u2003{% if 1 %}b{%- endif %}\u2003c",
            "{% if 1 %}\r\nx\r{% endif %}\ry",
            "{{ 'a\r\nb' }}",
            "a\n\n",
            "a\n\n\n",
            "\n{% if 1 %}{% endif %}\n",
            "{% set x %}\n a\n{% endset %}\n[{{ x }}]",
            "{% generation %}\n g\n{% endgeneration %}\nx",
            "{% call() m2() %}{% endcall %}"]
    return cases + parts + more


def run(env, template, variables):
    try:
        return {"out": env.from_string(template).render(**variables)}
    except Raised as e:
        return {"error": "raise_exception", "message": str(e)}
    except SecurityError:
        return {"error": "security"}
    except UndefinedError:
        return {"error": "undefined"}
    except TemplateSyntaxError as e:
        return {"error": "other" if "No filter" in str(e) or "No test" in str(e) else "syntax"}
    except TemplateError:
        return {"error": "other"}
    except Exception:  # TypeError, ValueError, ZeroDivisionError, ...
        return {"error": "other"}


def main():
    env = environment()
    templates = split_cases(CASES)
    # every {{ expression }} of a long line also alone, so that one difference does not hide another
    singles = []
    for t in templates:
        if t.startswith("{{") and t.count("{{") > 1 and "{%" not in t:
            for part in t.split(" {{"):
                part = part if part.startswith("{{") else "{{" + part
                try:
                    env.parse(part)
                    singles.append(part)
                except TemplateError:
                    pass
    out = {"jinja2": jinja2.__version__, "variables": VARS, "cases": []}
    seen = set()
    for t in templates + singles:
        if t in seen:
            continue
        seen.add(t)
        result = run(env, t, VARS)
        if " at 0x" in result.get("out", "") or "<function" in result.get("out", "") or "<class" in result.get("out", ""):
            continue  # addresses and Python names
        out["cases"].append({"t": t, **result})
    json.dump(out, sys.stdout, ensure_ascii=False, indent=0, separators=(",", ":"))
    print()


main()
