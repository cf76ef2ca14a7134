"""Those who watch the log and trust nobody: mirror, monitor, witness.

Each remembers the last checkpoint that it believed and believes another one only if
the log grew from there:

- a `Mirror` copies the published files, every one hashed on its way in, and is then as
  good a bulletin board as the one it copied;
- a `Monitor` keeps the checkpoint alone and asks for the few tiles that show that the
  new one continues the old one;
- a `Witness` is asked by the log, and signs what it has found to continue what it
  signed before. Who demands its signature cannot be shown a log of their own.

A log that contradicts itself has signed both versions: `evidence` keeps them in a
directory that convinces anybody.

What decides (`heads`, `witness`, `monitor.Times`) knows neither network nor disk nor
clock. `source` and `http_source` read, `mirror_files`, `monitor`, `witness_store` and
`evidence` write, `witness_app` answers HTTP.
"""
