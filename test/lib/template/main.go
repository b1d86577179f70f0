// Fills the templates of golden.json in with text/template: one JSON list of results on standard output.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"
)

type golden struct {
	Template string `json:"template"`
	Result   string `json:"result"`
}

type corpus struct {
	Files map[string]string   `json:"files"`
	Sets  map[string][]string `json:"sets"`
	Cases []golden            `json:"cases"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func toJSON(value any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(out.String(), "\n"), err
}

func fromJSON(text string) (any, error) {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return value, err
}

func isEmpty(value any) bool {
	truth, _ := template.IsTrue(value)
	return !truth
}

func blocks(text string, wanted func(string) bool) string {
	var out bytes.Buffer
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return out.String()
		}
		if wanted(block.Type) {
			must(pem.Encode(&out, block))
		}
	}
}

func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func functions(files map[string]string, sets map[string][]string) template.FuncMap {
	return template.FuncMap{
		"index": func(first any, keys ...any) any {
			if len(keys) == 0 {
				value, ok := files[first.(string)]
				if !ok {
					return nil
				}
				return value
			}
			for _, key := range keys {
				switch within := first.(type) {
				case map[string]any:
					first = within[key.(string)]
				case []any:
					first = within[key.(int)]
				}
			}
			return first
		},
		"selected": func(name string) map[string]any {
			set := map[string]any{}
			for _, file := range sets[name] {
				set[file] = files[file]
			}
			return set
		},
		"default": func(other, value any) any {
			if isEmpty(value) {
				return other
			}
			return value
		},
		"b64enc": func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) },
		"b64dec": func(text string) (string, error) {
			value, err := base64.StdEncoding.DecodeString(text)
			return string(value), err
		},
		"json": toJSON,
		"quote": func(format, text string) (string, error) {
			switch format {
			case "shell":
				return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'", nil
			case "json", "yaml":
				return toJSON(text)
			}
			return "", fmt.Errorf("no comparison for %s", format)
		},
		"trim":     strings.TrimSpace,
		"upper":    strings.ToUpper,
		"lower":    strings.ToLower,
		"indent":   indent,
		"nindent":  func(spaces int, text string) string { return "\n" + indent(spaces, text) },
		"fromJson": fromJSON,
		"jsonPath": func(path, text string) (any, error) {
			value, err := fromJSON(text)
			for _, step := range strings.Split(strings.TrimPrefix(path, "$."), ".") {
				value = value.(map[string]any)[step]
			}
			return value, err
		},
		"pemChain": func(text string) string {
			return blocks(text, func(kind string) bool { return kind == "CERTIFICATE" })
		},
		"pemKey": func(text string) string {
			return blocks(text, func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") })
		},
	}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	must(err)
	var all corpus
	must(json.Unmarshal(text, &all))
	fields := map[string]any{}
	for name, value := range all.Files {
		fields[regexp.MustCompile(`[^A-Za-z0-9_]`).ReplaceAllString(name, "_")] = value
	}
	results := []string{}
	for _, one := range all.Cases {
		parsed, err := template.New("").Funcs(functions(all.Files, all.Sets)).Parse(one.Template)
		if err != nil {
			must(fmt.Errorf("%q: %w", one.Template, err))
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, fields); err != nil {
			must(fmt.Errorf("%q: %w", one.Template, err))
		}
		results = append(results, out.String())
	}
	must(json.NewEncoder(os.Stdout).Encode(results))
}
