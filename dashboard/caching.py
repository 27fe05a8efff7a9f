"""Streamlit's caches, for arguments of any text: a file's name need not be UTF-8, which Streamlit takes for granted."""

from __future__ import annotations

import functools

import streamlit as st

KEYS = {str: lambda text: text.encode("utf-8", "surrogatepass")}

cache_data = functools.partial(st.cache_data, show_spinner=False, hash_funcs=KEYS)
cache_resource = functools.partial(st.cache_resource, show_spinner=False, hash_funcs=KEYS)
