// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build browser

package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/clientele-dev/clientele/test/process"
)

// look is how a person has set up their browser.
type look struct {
	noScript, dark, phone bool
}

func (l look) String() string {
	words := []string{"desktop", "light", "script"}
	if l.phone {
		words[0] = "phone"
	}
	if l.dark {
		words[1] = "dark"
	}
	if l.noScript {
		words[2] = "noscript"
	}
	return strings.Join(words, "-")
}

// tab is a tab of a browser that nobody has used before.
type tab struct {
	look

	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// complaints are what the browser's console would show.
	complaints []string
}

// newTab opens a tab with cookies of its own.
func (c chrome) newTab(t *testing.T, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, look: l}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	// Not around the first call: the tab lives as long as that one's context.
	b.ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	b.do(chromedp.Func(b.setUp))
	t.Cleanup(b.expectNoComplaints)
	return b
}

func (b *tab) setUp(ctx context.Context, t *chromedp.Target) error {
	for _, enable := range []cdp.Command[cdp.Empty, cdp.Empty]{log.Enable, runtime.Enable, audits.Enable} {
		if _, err := cdp.Call(ctx, t, enable, cdp.Empty{}); err != nil {
			return err
		}
	}
	if _, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: b.noScript}); err != nil {
		return err
	}
	scheme := "light"
	if b.dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	screen := emulation.SetDeviceMetricsOverrideParams{Width: 1100, Height: 800, DeviceScaleFactor: 1}
	if b.phone {
		screen = emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 720, DeviceScaleFactor: 2, Mobile: true}
	}
	_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, screen)
	return err
}

// listen notes what the browser complains of.
func (b *tab) listen(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// That a page is an error by its status is a line in the console as well; the
		// tests look at statuses themselves.
		page := e.Entry.Source == log.EntrySourceNetwork && (strings.Contains(e.Entry.Text, "responded with a status of 4") ||
			strings.Contains(e.Entry.Text, "responded with a status of 503"))
		if !page {
			b.complain("log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		b.complain("console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		b.complain("exception: %s", e.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		b.complain("issue: %s", e.Issue.Code)
	}
}

func (b *tab) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
}

func (b *tab) expectNoComplaints() {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(b.complaints)
	for _, c := range slices.Compact(b.complaints) {
		b.t.Errorf("the browser complains: %s", c)
	}
}

// do does actions, one after the other.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v\nat %s", err, b.where())
	}
}

// ask returns what an action finds out.
func ask[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatalf("%v\nat %s", err, b.where())
	}
	return v
}

// arrives waits until the tab is at a URL that begins like that. While it goes from one
// page to the next, it cannot say where it is.
func (b *tab) arrives(url string) {
	b.t.Helper()
	process.Await(b.t, func() error {
		at, err := chromedp.Run(b.ctx, chromedp.Location())
		if err == nil && !strings.HasPrefix(at, url) {
			err = fmt.Errorf("at %s, and not at %s", at, url)
		}
		return err
	})
}

// where describes the page that the tab shows.
func (b *tab) where() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 5*time.Second)
	defer cancel()
	url, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text(body))
	return url + "\n" + text
}

const body = chromedp.CSS("body")

// goes does actions that lead to a page of that status, and waits for it.
func (b *tab) goes(status int64, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	resp, err := chromedp.RunResponse(b.ctx, actions...)
	if err != nil {
		b.t.Fatalf("%v\nat %s", err, b.where())
	}
	if resp == nil || resp.Status != status {
		b.t.Fatalf("got %+v, want %d\nat %s", resp, status, b.where())
	}
}

// sees expects texts on the page.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	all := ask(b, chromedp.Text(body))
	for _, want := range texts {
		if !strings.Contains(all, want) {
			b.t.Fatalf("the page lacks %q\nat %s", want, b.where())
		}
	}
}

// keep takes a screenshot, and expects that nothing is wider than the screen.
func (b *tab) keep(name string) {
	b.t.Helper()
	page := ask(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
	screen := ask(b, chromedp.Evaluate[int](`document.documentElement.clientWidth`))
	if page > screen {
		b.t.Errorf("%s is %d pixels wide, on a screen of %d", name, page, screen)
	}
	dir := filepath.Join("..", "..", "artefacts", "browser")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		b.t.Fatal(err)
	}
	image := ask(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+"-"+b.String()+".png"), image, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// fill types into a field, in place of what stands there.
func fill(field chromedp.CSS, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.Clear(field), chromedp.SendKeys(field, text))
}

func press(button chromedp.CSS) chromedp.Action[chromedp.Void] { return chromedp.Click(button) }
