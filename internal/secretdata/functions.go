// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"
	"unicode/utf8"
)

// maxWork is how many bytes all functions of one template may read and write
// together.
const maxWork = 256 << 10

// signatures are the names of the functions that templates have. Of text/template's
// own there are those that make no text; those that do are ours, and call is not
// among them.
var signatures = func() map[string]any {
	all := map[string]any(functions(&meter{}))
	for _, own := range []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"} {
		all[own] = struct{}{}
	}
	return all
}()

// functions are ours, for one rendering. Where one has several arguments, the text
// comes last, for pipelines.
func functions(m *meter) template.FuncMap {
	return template.FuncMap{
		"b64enc": m.text(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"dotenv": m.text(dotenv),
		"html":   m.text(func(s string) (string, error) { return template.HTMLEscapeString(s), nil }),
		"js":     m.text(func(s string) (string, error) { return template.JSEscapeString(s), nil }),
		"lower":  m.text(func(s string) (string, error) { return strings.ToLower(s), nil }),
		"quote":  m.text(quote),
		"trim":   m.text(func(s string) (string, error) { return strings.TrimSpace(s), nil }),
		"upper":  m.text(func(s string) (string, error) { return strings.ToUpper(s), nil }),
		"urlquery": m.text(func(s string) (string, error) {
			return url.QueryEscape(s), nil
		}),

		"contains":  m.test(strings.Contains),
		"hasPrefix": m.test(strings.HasPrefix),
		"hasSuffix": m.test(strings.HasSuffix),

		"basicAuth": m.basicAuth,
		"default":   fallback,
		"join":      m.join,
		"print":     func(all ...any) (string, error) { return m.print("", all) },
		"printf":    m.printf,
		"println":   func(all ...any) (string, error) { return m.print("\n", all) },
		"replace":   m.replace,
		"toJson":    m.toJSON,
	}
}

// meter counts the work of one rendering. It is why $x := print $x $x, again and
// again, comes to an end, and a loop around functions too.
type meter struct{ left int }

var (
	errWork = errors.New("its functions have too much to do: put less into its loops")
	errKind = errors.New("it takes text, a number or true and false")
	errList = errors.New("it takes a list: .scopes or .redirect_uris")
)

func (m *meter) spend(bytes int) error {
	if m.left -= bytes; m.left < 0 {
		return errWork
	}
	return nil
}

// read is an argument as text, and costs its length and a little.
func (m *meter) read(v any) (string, error) {
	s, err := plain(v)
	if err != nil {
		return "", err
	}
	if len(s) > MaxResult {
		return "", errResult
	}
	return s, m.spend(len(s) + 8)
}

// plain is a value as text. Lists and the whole of the data are not: their text
// would have a form of its own, which nothing reads.
func plain(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int, float64:
		return fmt.Sprint(v), nil
	}
	return "", errKind
}

// write is a result, and costs its length.
func (m *meter) write(s string) (string, error) {
	if len(s) > MaxResult {
		return "", errResult
	}
	return s, m.spend(len(s))
}

// text is a function of one text, whose result is at most six times as long.
func (m *meter) text(f func(string) (string, error)) func(any) (string, error) {
	return func(v any) (string, error) {
		s, err := m.read(v)
		if err != nil {
			return "", err
		}
		if s, err = f(s); err != nil {
			return "", err
		}
		return m.write(s)
	}
}

// test is a function that asks about a text; what is asked for comes first.
func (m *meter) test(f func(s, part string) bool) func(part, v any) (bool, error) {
	return func(part, v any) (bool, error) {
		p, err := m.read(part)
		if err != nil {
			return false, err
		}
		s, err := m.read(v)
		return err == nil && f(s, p), err
	}
}

// quote is a JSON string, which is a string of YAML in double quotes as well:
// YAML 1.2 section 1.3. YAML has control characters escaped that JSON does not.
func quote(s string) (string, error) {
	encoded, err := encode(s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range encoded {
		if 0x7f <= r && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// encode is JSON without what only HTML needs, and without a line break at the end.
func encode(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", errKind
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// toJSON is a value as JSON: also a list, or all of the data.
func (m *meter) toJSON(v any) (string, error) {
	if _, err := plain(v); err == nil {
		return m.text(quoteOrValue(v))(v)
	}
	switch v.(type) {
	case []string, map[string]any:
	default:
		return "", errKind
	}
	// Both come from the facts, so they are no longer than those. What is read
	// counts, so that a loop of this ends, too.
	s, err := encode(v)
	if err != nil {
		return "", err
	}
	return m.write(s)
}

// quoteOrValue quotes text, and leaves what is none without quotes.
func quoteOrValue(v any) func(string) (string, error) {
	if _, is := v.(string); is {
		return quote
	}
	return func(s string) (string, error) { return s, nil }
}

var errDotenv = errors.New("the value has a quote, a backslash or a line break, which programs read in different ways from an env file")

// dotenv is a value of an env file, in single quotes: between them, shells and
// all that read such files take everything as it stands but what is refused here.
func dotenv(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || r == '\\' || r < ' ' || r == 0x7f || r == utf8.RuneError }) {
		return "", errDotenv
	}
	return "'" + s + "'", nil
}

// basicAuth is RFC 6749 section 2.3.1's: both are form-urlencoded first.
func (m *meter) basicAuth(id, secret any) (string, error) {
	i, err := m.read(id)
	if err != nil {
		return "", err
	}
	s, err := m.read(secret)
	if err != nil {
		return "", err
	}
	return m.write(base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(i) + ":" + url.QueryEscape(s))))
}

// fallback is v, or other if v is empty.
func fallback(other, v any) any {
	switch v := v.(type) {
	case nil:
		return other
	case string:
		if v == "" {
			return other
		}
	case []string:
		if len(v) == 0 {
			return other
		}
	case bool:
		if !v {
			return other
		}
	}
	return v
}

// join puts a list's items together, with separator between them.
func (m *meter) join(separator, list any) (string, error) {
	sep, err := m.read(separator)
	if err != nil {
		return "", err
	}
	items, is := list.([]string)
	if !is {
		return "", errList
	}
	size := len(sep) * len(items)
	for _, item := range items {
		size += len(item)
	}
	if size > MaxResult+len(sep) {
		return "", errResult
	}
	if err := m.spend(size); err != nil {
		return "", err
	}
	return strings.Join(items, sep), nil
}

// replace replaces every old in a text. How long that will be is counted first.
func (m *meter) replace(old, with, v any) (string, error) {
	var args [3]string
	for i, a := range []any{old, with, v} {
		var err error
		if args[i], err = m.read(a); err != nil {
			return "", err
		}
	}
	if args[0] == "" {
		return "", errors.New("what is to be replaced is empty")
	}
	if n := strings.Count(args[2], args[0]); len(args[2])+n*(len(args[1])-len(args[0])) > MaxResult {
		return "", errResult
	}
	return m.write(strings.ReplaceAll(args[2], args[0], args[1]))
}

// print puts values together, without the spaces that fmt puts between some; with
// an end, as println, with spaces between all.
func (m *meter) print(end string, all []any) (string, error) {
	var b strings.Builder
	for i, v := range all {
		s, err := m.read(v)
		if err != nil {
			return "", err
		}
		if i > 0 && end != "" {
			b.WriteByte(' ')
		}
		if b.Len()+len(s) > MaxResult {
			return "", errResult
		}
		b.WriteString(s)
	}
	return m.write(b.String() + end)
}
