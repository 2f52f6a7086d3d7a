"""The reviewer: the web page where people look at crops and relabel them."""
