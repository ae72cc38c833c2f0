// Package man writes the manual: a page for each command, and one for the
// settings.
//
// In: the commands, and the keys of ota.toml. Out: pages in man(7). Never: a
// word of its own about what a command does; and it is no part of ota.
package man

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ota/internal/config"
)

// Page is one page of the manual.
type Page struct {
	Name string // of its file: "ota-status.1"
	Text string
}

// Pages returns the manual.
func Pages(root *cobra.Command, version string) []Page {
	var pages []Page
	var add func(*cobra.Command)
	add = func(cmd *cobra.Command) {
		pages = append(pages, command(cmd, version))
		for _, below := range cmd.Commands() {
			add(below)
		}
	}
	add(root)
	return append(pages, settings(config.Keys(), version))
}

// page begins with what man(1) finds a page by.
func page(name, section, version, about string) *strings.Builder {
	var text strings.Builder
	fmt.Fprintf(&text, ".TH %s %s \"\" \"ota %s\"\n.nh\n.SH NAME\n%s \\- %s\n",
		strings.ToUpper(escape(name)), section, version, escape(name), escape(about))
	return &text
}

// pageName is the name of the page of a command: ota-web-token.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func command(cmd *cobra.Command, version string) Page {
	name := pageName(cmd)
	text := page(name, "1", version, cmd.Short)
	fmt.Fprintf(text, ".SH SYNOPSIS\n%s\n", escape(cmd.UseLine()))
	text.WriteString(".SH DESCRIPTION\n")
	for i, paragraph := range strings.Split(cmd.Long, "\n\n") {
		if i > 0 {
			text.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") {
			verbatim(text, paragraph)
			continue
		}
		lines(text, paragraph)
	}
	if below := cmd.Commands(); len(below) > 0 {
		text.WriteString(".SH COMMANDS\n")
		for _, one := range below {
			fmt.Fprintf(text, ".TP\n.BR %s (1)\n%s\n", escape(pageName(one)), escape(one.Short))
		}
	}
	text.WriteString(".SH OPTIONS\n")
	flag := func(flag *pflag.Flag) { option(text, flag) }
	cmd.NonInheritedFlags().VisitAll(flag)
	cmd.InheritedFlags().VisitAll(flag)
	text.WriteString(".SH EXAMPLES\n")
	verbatim(text, cmd.Example)
	text.WriteString(".SH SEE ALSO\n")
	if cmd.HasParent() {
		fmt.Fprintf(text, ".BR %s (1),\n", escape(pageName(cmd.Parent())))
	}
	text.WriteString(".BR ota.toml (5)\n")
	return Page{name + ".1", text.String()}
}

func option(text *strings.Builder, flag *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(flag)
	name := "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	fmt.Fprintf(text, ".TP\n\\fB%s\\fR", escape(name))
	if value != "" {
		fmt.Fprintf(text, " \\fI%s\\fR", escape(value))
	}
	fmt.Fprintf(text, "\n%s\n", escape(usage))
}

func settings(keys []config.Key, version string) Page {
	text := page("ota.toml", "5", version, "settings of ota")
	text.WriteString(".SH DESCRIPTION\n")
	lines(text, `There may be two files: ota.toml beside deposit/, the settings of this device, and main/ota.toml, which travels with the program. What the device's file says wins, key by key; where neither says anything the default holds.`)
	table := ""
	for _, key := range keys {
		if key.Table != table {
			table = key.Table
			fmt.Fprintf(text, ".SH [%s]\n", strings.ToUpper(table))
		}
		fmt.Fprintf(text, ".TP\n\\fB%s\\fR (%s", escape(key.Name), escape(key.Type))
		if key.Default != "" {
			fmt.Fprintf(text, "; default: %s", escape(key.Default))
		}
		text.WriteString(")\n")
		doc := strings.ReplaceAll(key.Doc, "`", "")
		if key.Counts == config.OnDevice {
			doc += " Counts in the device's file only."
		}
		lines(text, doc)
	}
	text.WriteString(".SH SEE ALSO\n.BR ota (1),\n.BR ota-config (1)\n")
	return Page{"ota.toml.5", text.String()}
}

func lines(text *strings.Builder, paragraph string) {
	for line := range strings.SplitSeq(strings.TrimRight(paragraph, "\n"), "\n") {
		text.WriteString(escape(line) + "\n")
	}
}

func verbatim(text *strings.Builder, paragraph string) {
	text.WriteString(".nf\n")
	lines(text, paragraph)
	text.WriteString(".fi\n")
}

// escapes are what means something to roff, or is drawn as something else.
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`, `"`, `\(dq`)

// escape makes text of which no part is a request.
func escape(text string) string {
	text = escapes.Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
