package edit

import "testing"

func TestFixImports(t *testing.T) {
	gone := []Package{{Path: "x.org/old", Name: "old", Exports: map[string]bool{"Do": true}}, {Path: "x.org/older", Name: "older"}}
	ctx, time, niu := Import{"context", "context"}, Import{"time", "time"}, Import{"x.org/v2", "new"}
	for _, test := range []struct {
		name, src string
		add       []Import
		want      string
	}{
		{"replaced in place",
			"package p\n\nimport (\n\t\"fmt\"\n\n\t\"x.org/old\" // why\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n",
			[]Import{ctx, time, niu},
			"package p\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"time\"\n\n\tnew \"x.org/v2\" // why\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n"},
		{"two of three go",
			"package p\n\nimport (\n\t\"fmt\"\n\n\t\"x.org/old\"\n\t\"x.org/older\"\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n",
			[]Import{niu},
			"package p\n\nimport (\n\t\"fmt\"\n\n\tnew \"x.org/v2\"\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n"},
		{"a group goes",
			"package p\n\nimport (\n\t\"fmt\"\n\n\t// Why.\n\t\"x.org/older\"\n\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n", nil,
			"package p\n\nimport (\n\t\"fmt\"\n\n\t\"x.org/zoo\"\n)\n\nvar _ = fmt.Sprint(zoo.X)\n"},
		{"the last group goes",
			"package p\n\nimport (\n\t\"fmt\"\n\n\t\"x.org/older\"\n)\n\nvar _ = fmt.Sprint()\n", nil,
			"package p\n\nimport (\n\t\"fmt\"\n)\n\nvar _ = fmt.Sprint()\n"},
		{"kept while it is used",
			"package p\n\nimport (\n\t\"x.org/old\"\n)\n\nvar _ = old.Do\n", []Import{niu},
			"package p\n\nimport (\n\t\"x.org/old\"\n\tnew \"x.org/v2\"\n)\n\nvar _ = old.Do\n"},
		{"a local variable of its name is no use",
			"package p\n\nimport \"x.org/old\"\n\nfunc f() { old := struct{ Do int }{}; _ = old.Do }\n", nil,
			"package p\n\nfunc f() { old := struct{ Do int }{}; _ = old.Do }\n"},
		{"single import becomes a block",
			"package p\n\nimport \"fmt\"\n\nvar _ = fmt.Sprint\n", []Import{ctx, niu},
			"package p\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\n\tnew \"x.org/v2\"\n)\n\nvar _ = fmt.Sprint\n"},
		{"single import is replaced",
			"package p\n\nimport \"x.org/old\"\n", []Import{ctx, niu},
			"package p\n\nimport (\n\t\"context\"\n\n\tnew \"x.org/v2\"\n)\n"},
		{"several single imports",
			"package p\n\nimport \"fmt\"\nimport \"x.org/old\"\n\nvar _ = fmt.Sprint\n", []Import{niu},
			"package p\n\nimport (\n\tnew \"x.org/v2\"\n)\n\nimport \"fmt\"\n\nvar _ = fmt.Sprint\n"},
		{"no imports", "package p\n\nvar x = 1\n", []Import{niu}, "package p\n\nimport (\n\tnew \"x.org/v2\"\n)\n\nvar x = 1\n"},
		{"std block gets a group", "package p\n\nimport (\n\t\"fmt\"\n)\n\nvar _ = fmt.Sprint\n", []Import{niu},
			"package p\n\nimport (\n\t\"fmt\"\n\n\tnew \"x.org/v2\"\n)\n\nvar _ = fmt.Sprint\n"},
		{"dot import that is used", "package p\n\nimport . \"x.org/old\"\n\nvar _ = Do\n", nil, "package p\n\nimport . \"x.org/old\"\n\nvar _ = Do\n"},
		{"dot import that is not", "package p\n\nimport . \"x.org/old\"\n\nvar _ = 1\n", nil, "package p\n\nvar _ = 1\n"},
		{"blank import stays", "package p\n\nimport _ \"x.org/old\"\n", nil, "package p\n\nimport _ \"x.org/old\"\n"},
		{"renamed", "package p\n\nimport (\n\to \"x.org/old\"\n)\n", []Import{niu}, "package p\n\nimport (\n\tnew \"x.org/v2\"\n)\n"},
		{"already there", "package p\n\nimport (\n\tnew \"x.org/v2\"\n)\n\nvar _ = new.X\n", []Import{niu, niu},
			"package p\n\nimport (\n\tnew \"x.org/v2\"\n)\n\nvar _ = new.X\n"},
		{"cgo stays alone", "package p\n\nimport \"C\"\n\nimport \"x.org/old\"\n", []Import{niu},
			"package p\n\nimport \"C\"\n\nimport (\n\tnew \"x.org/v2\"\n)\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var use string
			for _, i := range test.add {
				use += "\nvar _ " + i.Name + ".T\n"
			}
			test.src, test.want = test.src+use, test.want+use
			got, err := FixImports("x.go", []byte(test.src), append(test.add, Import{"x.org/unused", "unused"}), gone)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
	if _, err := FixImports("x.go", []byte("package"), nil, nil); err == nil {
		t.Error("a file that does not parse is accepted")
	}
}
