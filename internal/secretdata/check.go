// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

package secretdata

import (
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

const (
	// maxSteps is how many nodes of a template are visited at most, whatever the
	// lists hold. A step takes a fraction of a microsecond, apart from what meter
	// counts.
	maxSteps = 50_000
	// maxNesting is how many loops may be one in another.
	maxNesting = 2
)

// lists are what a loop may go over. A dot is the whole of what templates see or a
// text, and nothing else has fields of these names.
var lists = []string{".scopes", "$.scopes", ".redirect_uris", "$.redirect_uris"}

// checker walks a template before it is executed. Without functions that call
// others, without other templates and with loops over short lists only, a template
// ends after a number of steps that can be counted beforehand.
type checker struct {
	tree    *parse.Tree
	refused *TemplateError // the first
}

func (c *checker) refuse(at parse.Node, reason string) {
	if c.refused != nil {
		return
	}
	c.refused = &TemplateError{Reason: reason}
	location, _ := c.tree.ErrorContext(at) // name:line:column
	if parts := strings.Split(location, ":"); len(parts) > 1 {
		c.refused.Line, _ = strconv.Atoi(parts[1])
	}
}

// list counts the steps of what is in so many loops.
func (c *checker) list(l *parse.ListNode, loops int) int {
	if l == nil {
		return 0
	}
	steps := 0
	for _, n := range l.Nodes {
		steps += c.node(n, loops)
	}
	return steps
}

func (c *checker) node(n parse.Node, loops int) int {
	switch n := n.(type) {
	case *parse.ActionNode:
		return 1 + c.pipe(n.Pipe)
	case *parse.IfNode:
		return 1 + c.branch(&n.BranchNode, loops)
	case *parse.WithNode:
		return 1 + c.branch(&n.BranchNode, loops)
	case *parse.RangeNode:
		return 1 + c.loop(n, loops)
	case *parse.TemplateNode:
		c.refuse(n, "template is not supported: write what it holds where it is needed")
	}
	return 1 // text, break, continue
}

func (c *checker) branch(b *parse.BranchNode, loops int) int {
	return c.pipe(b.Pipe) + c.list(b.List, loops) + c.list(b.ElseList, loops)
}

func (c *checker) loop(n *parse.RangeNode, loops int) int {
	if !overList(n.Pipe) {
		c.refuse(n, "range goes over .scopes and .redirect_uris only")
	}
	if loops == maxNesting {
		c.refuse(n, "range is nested more than twice")
		return 0 // and so the count stays small
	}
	return c.pipe(n.Pipe) + maxList*(1+c.list(n.List, loops+1)) + c.list(n.ElseList, loops)
}

// overList reports whether a loop is over one of the lists itself. A number, or
// what a function makes, could be of any length.
func overList(p *parse.PipeNode) bool {
	return len(p.Cmds) == 1 && len(p.Cmds[0].Args) == 1 && slices.Contains(lists, p.Cmds[0].Args[0].String())
}

func (c *checker) pipe(p *parse.PipeNode) int {
	if p == nil {
		return 0
	}
	steps := 1 + len(p.Decl)
	for _, command := range p.Cmds {
		for _, argument := range command.Args {
			steps += c.operand(argument)
		}
	}
	return steps
}

func (c *checker) operand(n parse.Node) int {
	switch n := n.(type) {
	case *parse.PipeNode:
		return c.pipe(n)
	case *parse.ChainNode:
		return 1 + len(n.Field) + c.operand(n.Node)
	case *parse.FieldNode:
		return len(n.Ident)
	case *parse.VariableNode:
		return len(n.Ident)
	}
	return 1
}
