"""List the sub-commands of `face_classification`."""

COMMANDS = {
    'demo': 'demo',
    'view': 'view',
    'classify': 'classify',
    'replay': 'replay',
    'sample-bag': 'sample_bag',
    'networks': 'networks',
    'train': 'train',
    'evaluate': 'evaluate',
    'audit': 'audit',
    'explain': 'explain',
    'crop-margins': 'crop_margins',
    'benchmark': 'benchmark',
    'doctor': 'doctor',
}
"""Name of a sub-command -> module of this package.

A module has a docstring, which becomes the help text, `add_arguments(parser)` and
`run(arguments)`, which returns the exit code. Every start imports all of them, also the start of
`doctor` in a broken installation. Therefore nothing that they import at the top needs more than
the standard library; `run` imports what the sub-command needs.
"""
