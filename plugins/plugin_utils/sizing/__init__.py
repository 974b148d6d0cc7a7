# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizing model: a pure function from a host and the inputs for a site to a plan (docs/sizing.md).

Each stage hands one frozen result to the next:

    Host, Inputs    the inputs, checked                         inputs, facts
    Site            the same in the terms of the model          site, queueing
    Choice          a layout, and what the model predicts for itchoice, layouts, policies; refusal where there is none
    Settings        what follows for servers and systemd        settings
    Plan            all of it, with its explanation             planning, explanation, cautions, report, wording
"""
