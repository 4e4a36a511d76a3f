"""The verb `fetch`: searches STAC catalogues, ranks scenes by what is seen of the lakes, and downloads them."""
