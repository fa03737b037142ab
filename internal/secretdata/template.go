// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// templateName stands in text/template's own messages, which are taken apart.
const templateName = "t"

// generalReason is for what fails with the client secret that there is and not with
// a stand-in for it: to say more would be to tell of the secret.
const generalReason = "it cannot be rendered with the client secret that there is"

// render is what the template under key makes of f.
func render(key, text string, f Facts) ([]byte, error) {
	tree, failed := parseTemplate(text)
	if failed == nil {
		var result []byte
		if result, failed = execute(tree, f); failed == nil {
			return result, nil
		}
		failed = withStandIn(tree, f)
	}
	failed.Key = key
	if f.ClientSecret != nil {
		// A template may repeat the secret in its text, which messages quote.
		if secret := f.ClientSecret.Reveal(); secret != "" && strings.Contains(failed.Reason, secret) {
			failed.Reason = generalReason
		}
	}
	return nil, failed
}

// withStandIn says why a template that failed fails, without the client secret.
func withStandIn(tree *parse.Tree, f Facts) *TemplateError {
	if f.ClientSecret != nil {
		f.ClientSecret = standInFor(f.ClientSecret.Reveal())
	}
	if _, failed := execute(tree, f); failed != nil {
		return failed
	}
	return &TemplateError{Reason: generalReason}
}

// standIn is a text that has the form of a secret and tells nothing of it but its
// length.
type standIn string

func (s standIn) Reveal() string { return string(s) }

func standInFor(secret string) standIn {
	return standIn(strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9':
			return '0'
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return 'x'
		}
		return '-'
	}, secret))
}

// parseTemplate parses a template and makes sure that it ends.
func parseTemplate(text string) (*parse.Tree, *TemplateError) {
	if len(text) > MaxTemplate {
		return nil, &TemplateError{Reason: "it is longer than 16 KiB"}
	}
	trees := map[string]*parse.Tree{}
	tree, err := parse.New(templateName).Parse(text, "", "", trees, signatures)
	if err != nil {
		return nil, explain(err)
	}
	if len(trees) != 1 || trees[templateName] != tree {
		return nil, &TemplateError{Reason: "define and block are not supported: write what they hold where it is needed"}
	}
	c := &checker{tree: tree}
	if steps := c.list(tree.Root, 0); steps > maxSteps {
		c.refuse(tree.Root, "it takes too many steps: put less into its loops")
	}
	return tree, c.refused
}

// execute renders a template that was checked.
func execute(tree *parse.Tree, f Facts) ([]byte, *TemplateError) {
	if len(f.Scopes) > maxList || len(f.RedirectURIs) > maxList {
		return nil, &TemplateError{Reason: "the client has more than 64 scopes or redirect URIs"}
	}
	t, err := template.New(templateName).Option("missingkey=error").Funcs(functions(&meter{left: maxWork})).AddParseTree(templateName, tree)
	if err != nil {
		return nil, explain(err)
	}
	var result limited
	if err := t.Execute(&result, f.values()); err != nil {
		return nil, explain(err)
	}
	return result.Bytes(), nil
}

// values are what templates see: text, two lists and whether the client is Public.
func (f Facts) values() map[string]any {
	values := map[string]any{
		"name": f.Name, "namespace": f.Namespace, "display_name": f.DisplayName,
		"public": f.Public,
		"scopes": append([]string{}, f.Scopes...), "redirect_uris": append([]string{}, f.RedirectURIs...),
	}
	for key, value := range f.builtIn() {
		values[key] = value
	}
	return values
}

// limited takes no more than a result may have.
type limited struct{ bytes.Buffer }

var errResult = errors.New("its result is longer than 16 KiB")

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > MaxResult {
		return 0, errResult
	}
	return l.Buffer.Write(p)
}

// WriteString is what text/template would find instead of Write.
func (l *limited) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

// explain takes text/template's messages apart: they begin with
// "template: t:LINE: " when a template is parsed, and with
// "template: t:LINE:COLUMN: executing "t" at <WHERE>: " when it is executed. What they
// quote may have line breaks in it.
func explain(err error) *TemplateError {
	text, ours := strings.CutPrefix(err.Error(), "template: "+templateName+":")
	if !ours {
		return &TemplateError{Reason: err.Error()}
	}
	line, text, _ := strings.Cut(text, ":")
	failed := &TemplateError{}
	failed.Line, _ = strconv.Atoi(line)
	if column, rest, ok := strings.Cut(text, ": "); ok && isNumber(column) {
		text = strings.TrimPrefix(rest, "executing "+strconv.Quote(templateName)+" ")
	}
	failed.Reason = reword(strings.Join(strings.Fields(text), " "))
	return failed
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// reword says what is missing rather than how text/template finds out.
func reword(text string) string {
	if _, field, ok := strings.Cut(text, "map has no entry for key "); ok {
		if name, err := strconv.Unquote(field); err == nil && name == KeyClientSecret {
			return "this client has no .client_secret, since it is Public or authenticates with private_key_jwt"
		}
		return "there is no value " + field
	}
	if name, ok := strings.CutPrefix(text, "function "); ok {
		if name, ok = strings.CutSuffix(name, " not defined"); ok {
			return "there is no function " + name
		}
	}
	return text
}

// Functions are the names of the functions that templates have, in order.
func Functions() []string { return slices.Sorted(maps.Keys(signatures)) }
